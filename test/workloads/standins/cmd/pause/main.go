// pause does nothing until it is told to end.
package main

import (
	"fmt"
	"os"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/signals"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println("pause 3.10.2")
		return
	}
	<-signals.Notify(2, 15)
	fmt.Fprintln(os.Stderr, "Shutting down, got signal: Terminated")
}
