module github.com/wasmlet/wasmlet/test/workloads/go

go 1.24
