"""Runs a guest in wasmtime: `peer.py MODULE STEPS FOLDER SEED...`. The tree of a seed is FOLDER/SEED/peer, and what the
guest prints goes to FOLDER/SEED/peer.txt."""

import os
import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

module_path, steps, folder, *seeds = sys.argv[1:]
os.umask(0o022)
engine = Engine()
module = Module.from_file(engine, module_path)
linker = Linker(engine)
linker.define_wasi()
for seed in seeds:
    config = WasiConfig()
    config.argv = ["guest", seed, steps]
    config.preopen_dir(os.path.join(folder, seed, "peer"), "/")
    config.stdout_file = os.path.join(folder, seed, "peer.txt")
    store = Store(engine)
    store.set_wasi(config)
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except ExitTrap as end:
        if end.code != 0:
            raise
