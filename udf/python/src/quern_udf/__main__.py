"""python -m quern_udf pack SOURCE OUT: what quern runs to pin a plugin."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from .pack import Mistake, pack


def main() -> None:
    parser = argparse.ArgumentParser(prog="quern_udf", description="Packs plugins of Quern.")
    parser.add_argument("--version", action="version", version=version("quern-udf"))
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="pack a file, or a folder with a plugin.py, into one executable file")
    packing.add_argument("source", type=Path)
    packing.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        pack(args.source, args.out)
    except (Mistake, OSError) as e:
        sys.exit(str(e))


main()
