"""Runs a WASI command in wasmtime, as test/support/wasmtime.ts describes it in JSON: `wasmtime_run.py DESCRIPTION`."""

import json
import os
import sys

from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, Trap, WasiConfig, WasmtimeError

TRAPPED = 134

guest = json.loads(sys.argv[1])
os.umask(0o022)
engine = Engine(Config())
wasi = WasiConfig()
wasi.argv = guest["args"]
wasi.env = list(guest.get("env", {}).items())
for inside, folder in guest.get("folders", {}).items():
    wasi.preopen_dir(folder, inside)
wasi.inherit_stdout()
wasi.inherit_stderr()
store = Store(engine)
store.set_wasi(wasi)
linker = Linker(engine)
linker.define_wasi()
instance = linker.instantiate(store, Module.from_file(engine, guest["module"]))
try:
    instance.exports(store)["_start"](store)
except ExitTrap as end:
    sys.exit(end.code)
except (Trap, WasmtimeError) as trap:
    print(trap, file=sys.stderr)
    sys.exit(TRAPPED)
