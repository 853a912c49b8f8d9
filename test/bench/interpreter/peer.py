"""The peer wasmtime: `peer.py MODULE` answers each line `KERNEL ROUNDS` by `RESULT NANOSECONDS`."""

import sys
import time

from wasmtime import Engine, Instance, Module, Store

store = Store(Engine())
exports = Instance(store, Module.from_file(store.engine, sys.argv[1]), []).exports(store)
for line in sys.stdin:
    name, rounds = line.split()
    begin = time.perf_counter_ns()
    result = exports[name](store, int(rounds))
    took = time.perf_counter_ns() - begin
    print(result, took, flush=True)
