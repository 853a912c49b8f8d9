package applets

import "github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"

// refused is iproute2's exit code for what the kernel has refused.
const refused = 2

var ipChanges = map[string]bool{
	"add": true, "del": true, "delete": true, "set": true, "change": true, "replace": true, "append": true, "flush": true,
}

// ip changes nothing and shows nothing: no guest has network devices. It says so as the original does to a process
// without CAP_NET_ADMIN.
func ip(p *proc.Proc) int {
	for _, word := range p.Args[1:] {
		if ipChanges[word] {
			p.Errorf("RTNETLINK answers: Operation not permitted")
			return refused
		}
	}
	p.Errorf("no network devices are visible here")
	return 1
}
