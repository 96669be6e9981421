"""Packs a plugin into one executable file: its sources, and what it is pinned to."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from . import pin

ENTRY = "plugin.py"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SHEBANG = 250  # bytes: what all kernels read of the first line
_LOCKED = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;#\\]+)\s*(;)?")


class Mistake(Exception):
    """Something is wrong with the plugin's files or environment."""


def pack(source: Path, out: Path) -> None:
    """Packs a file, or a folder with a plugin.py. The same sources and environment give the same bytes."""
    interpreter = sys.executable
    if re.search(r"\s", interpreter) or len(interpreter) > _SHEBANG:
        raise Mistake(f"the path of the interpreter, {interpreter}, has a space or is too long: a program cannot begin with it")
    folder = source if source.is_dir() else source.parent
    entry = ENTRY if source.is_dir() else source.name
    files = _sources(folder) if source.is_dir() else {entry: source}
    if entry not in files:
        raise Mistake(f"{folder} has no {ENTRY}, the file with the functions")
    _check_lock(folder)
    _check_editable()
    module = entry.removesuffix(".py")
    if not module.isidentifier():
        raise Mistake(f"{entry}: a name that cannot be imported: use letters, digits and '_'")
    here = Path(__file__).parent
    pinned = {"module": module, "environment": pin.environment()}
    contents = {
        "__main__.py": (here / "packed_main.py").read_bytes(),
        "quern_pin.py": (here / "pin.py").read_bytes(),
        "quern_pin.json": json.dumps(pinned, indent=1, sort_keys=True).encode(),
    }
    for name, path in files.items():
        if name in contents:
            raise Mistake(f"{path}: the name is taken by the packed plugin itself")
        contents[name] = path.read_bytes()
    with open(out, "wb") as f:
        f.write(f"#!{interpreter} -sB\n".encode())
        with zipfile.ZipFile(f, "w") as z:
            for name in sorted(contents):
                z.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
    out.chmod(0o755)


def _sources(folder: Path) -> dict[str, Path]:
    """Python files and the list of requirements, without environments, tests and hidden files."""
    found = {}
    for base, folders, files in os.walk(folder):
        at = Path(base)
        folders[:] = [
            d for d in folders if not d.startswith((".", "__pycache__")) and d != "tests" and not (at / d / "pyvenv.cfg").exists()
        ]
        for name in files:
            if name.endswith(".py") and not name.startswith((".", "test_")) or (at == folder and name == "requirements.txt"):
                found[(at / name).relative_to(folder).as_posix()] = at / name
    return found


def _check_editable() -> None:
    """Refuses packages whose files are outside of the environment, where they change without notice."""
    for d in metadata.distributions():
        if json.loads(d.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
            raise Mistake(f"{d.metadata['Name']} is installed as editable, and so cannot be pinned: install it without -e")


def _check_lock(folder: Path) -> None:
    """Refuses an environment that is not the one of requirements.txt, where that says versions."""
    lock = folder / "requirements.txt"
    if not lock.exists():
        return
    wrong = []
    for line in lock.read_text().splitlines():
        m = _LOCKED.match(line)
        if not m or m[3]:  # a marker may leave it out
            continue
        try:
            got = metadata.version(m[1])
        except metadata.PackageNotFoundError:
            got = "not there"
        if got != m[2]:
            wrong.append(f"{m[1]} is {got}, not {m[2]}")
    if wrong:
        raise Mistake(
            f"the environment {sys.prefix} is not as {lock} has it:\n  "
            + "\n  ".join(wrong[:20])
            + f"\nRun {sys.executable} -m pip install -r {lock}"
        )
