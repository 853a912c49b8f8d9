// nnp says as whom it runs. The original is a set-user-id program, of which there are none for a guest.
package main

import (
	"fmt"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
)

func main() {
	fmt.Printf("Effective uid: %d\n", posix.Geteuid())
}
