// busybox is a small Unix in one module: a shell and its usual programs, chosen by the name it is called by.
package main

import (
	"os"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/applets"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func main() {
	system := &proc.System{Programs: applets.Programs()}
	os.Exit(system.MainProgram("busybox", os.Args))
}
