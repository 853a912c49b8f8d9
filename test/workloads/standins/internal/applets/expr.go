package applets

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// exprParser reads expr(1)'s expressions: each level binds closer than the one before.
type exprParser struct {
	p    *proc.Proc
	args []string
}

var exprLevels = [][]string{{"|"}, {"&"}, {"=", "==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}, {":"}}

func expr(p *proc.Proc) int {
	e := &exprParser{p, p.Args[1:]}
	result := e.level(0)
	if len(e.args) > 0 {
		e.fail()
	}
	p.Printf("%s\n", result)
	if result == "" || result == "0" {
		return 1
	}
	return 0
}

func (e *exprParser) fail() {
	e.p.Errorf("syntax error")
	e.p.Exit(2)
}

func (e *exprParser) level(n int) string {
	if n == len(exprLevels) {
		return e.primary()
	}
	left := e.level(n + 1)
	for len(e.args) > 0 && contains(exprLevels[n], e.args[0]) {
		operator := e.args[0]
		e.args = e.args[1:]
		left = e.apply(left, operator, e.level(n+1))
	}
	return left
}

func contains(list []string, word string) bool {
	for _, other := range list {
		if other == word {
			return true
		}
	}
	return false
}

func (e *exprParser) primary() string {
	if len(e.args) == 0 {
		e.fail()
	}
	word := e.args[0]
	e.args = e.args[1:]
	switch {
	case word == "(":
		result := e.level(0)
		if len(e.args) == 0 || e.args[0] != ")" {
			e.fail()
		}
		e.args = e.args[1:]
		return result
	case word == "length" && len(e.args) > 0:
		return strconv.Itoa(len(e.primary()))
	case word == "match" && len(e.args) > 1:
		text := e.primary()
		return e.match(text, e.primary())
	case word == "substr" && len(e.args) > 2:
		text, from, count := e.primary(), e.integer(e.primary()), e.integer(e.primary())
		start := min(max(from-1, 0), int64(len(text)))
		return text[start:min(max(start+count, start), int64(len(text)))]
	case word == "index" && len(e.args) > 1:
		text := e.primary()
		return strconv.Itoa(strings.IndexAny(text, e.primary()) + 1)
	}
	return word
}

func (e *exprParser) integer(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		e.p.Errorf("non-numeric argument")
		e.p.Exit(2)
	}
	return value
}

func (e *exprParser) match(text, pattern string) string {
	matcher, err := regexp.Compile("^(?:" + basicToExtended(pattern) + ")")
	if err != nil {
		e.fail()
	}
	found := matcher.FindStringSubmatch(text)
	if matcher.NumSubexp() > 0 {
		if found == nil {
			return ""
		}
		return found[1]
	}
	if found == nil {
		return "0"
	}
	return strconv.Itoa(len(found[0]))
}

func truth(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (e *exprParser) apply(left, operator, right string) string {
	empty := func(s string) bool { return s == "" || s == "0" }
	switch operator {
	case "|":
		if !empty(left) {
			return left
		}
		return right
	case "&":
		if empty(left) || empty(right) {
			return "0"
		}
		return left
	case ":":
		return e.match(left, right)
	}
	if contains(exprLevels[2], operator) {
		return truth(compareValues(left, operator, right))
	}
	a, b := e.integer(left), e.integer(right)
	switch operator {
	case "+":
		a += b
	case "-":
		a -= b
	case "*":
		a *= b
	default:
		if b == 0 {
			e.p.Errorf("division by zero")
			e.p.Exit(2)
		}
		if operator == "/" {
			a /= b
		} else {
			a %= b
		}
	}
	return strconv.FormatInt(a, 10)
}

func compareValues(left, operator, right string) bool {
	order := strings.Compare(left, right)
	a, errA := strconv.ParseInt(left, 10, 64)
	b, errB := strconv.ParseInt(right, 10, 64)
	if errA == nil && errB == nil {
		order = 0
		if a < b {
			order = -1
		} else if a > b {
			order = 1
		}
	}
	switch operator {
	case "=", "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}
