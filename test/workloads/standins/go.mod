module github.com/wasmlet/wasmlet/test/workloads/standins

go 1.26.0

require (
	github.com/benhoyt/goawk v1.29.1
	mvdan.cc/sh/v3 v3.14.1
)
