package proc

import "github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"

// firstPID is the process id that the system gave this instance.
func firstPID() int { return posix.Getpid() }

func mayExecute(path string) bool { return posix.Access(path, posix.Execute) == nil }
