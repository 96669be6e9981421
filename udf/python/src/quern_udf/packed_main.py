"""The first file that a packed plugin runs. Standard library only, until the environment is known to be the right one."""

import importlib
import json
import os
import sys
import zipimport

# Sets of strings have another order in each process, unless their hashes have a fixed seed; that is read at the start.
if sys.flags.hash_randomization:
    os.execve(sys.executable, [sys.executable, "-sB", sys.argv[0]], {**os.environ, "PYTHONHASHSEED": "0"})

# A process has one slot's share of the machine; and sums must not depend on a number of threads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "ARROW_IO_THREADS"):
    os.environ.setdefault(name, "1")

archive = zipimport.zipimporter(sys.argv[0])
pinned = json.loads(archive.get_data("quern_pin.json"))
importlib.import_module("quern_pin").check(pinned["environment"])

import quern_udf.server  # noqa: E402, I001

# What the author's file prints while it is imported must not come before the handshake.
quern_udf.server.keep_stdout()
importlib.import_module(pinned["module"])
quern_udf.server.serve()
