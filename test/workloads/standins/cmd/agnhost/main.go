// agnhost does what Kubernetes' test image of that name does; the shell and its programs are in the same module.
package main

import (
	"os"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/agnhost"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/applets"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func main() {
	programs := applets.Programs()
	programs["agnhost"] = agnhost.Main
	programs["agnhost-2"] = agnhost.Main
	system := &proc.System{Programs: programs}
	os.Exit(system.MainProgram("agnhost", os.Args))
}
