package conformance

import (
	"context"
	"reflect"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

var contextType = reflect.TypeFor[context.Context]()

// Ginkgo offers every node of the tree to this function while it builds the tree, which happens after the flags were
// read. Only bodies that take a context can be told that their time is up.
var _ = ginkgo.AddTreeConstructionNodeArgsTransformer(
	func(nodeType types.NodeType, _ ginkgo.Offset, text string, args []any) (string, []any, []error) {
		if nodeType.Is(types.NodeTypeIt) && *specTimeout > 0 && canTimeOut(args) {
			args = append(args, ginkgo.NodeTimeout(*specTimeout))
		}
		return text, args, nil
	})

func canTimeOut(args []any) bool {
	takesContext := false
	for _, arg := range args {
		switch arg.(type) {
		case ginkgo.NodeTimeout, ginkgo.SpecTimeout:
			return false
		}
		if body := reflect.TypeOf(arg); body != nil && body.Kind() == reflect.Func {
			takesContext = body.NumIn() == 1 && body.In(0).Implements(contextType)
		}
	}
	return takesContext
}
