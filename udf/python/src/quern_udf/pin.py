"""What a plugin is pinned to besides its sources: the interpreter, and the packages of its environment.

A packed plugin has a copy of this file and runs it before anything else, so it uses the standard library alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import sysconfig
from importlib import metadata
from typing import Any

# Not a part of what runs, and different in each environment.
_TOOLS = {"pip"}
_VOLATILE = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json")


def environment() -> dict[str, Any]:
    """The interpreter and the packages here, each with a digest of the hashes of its files as they were installed."""
    packages = {}
    for d in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", d.metadata["Name"] or "").lower()
        if name and name not in _TOOLS and name not in packages:  # the first on the path is the one that is imported
            packages[name] = f"{d.version} {_digest(d)}"
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": sysconfig.get_platform(),
        "packages": dict(sorted(packages.items())),
    }


def _digest(d: metadata.Distribution) -> str:
    """Of a package's RECORD, without what depends on the place where it is installed: scripts, and notes of the installer."""
    text = d.read_text("RECORD") or d.read_text("METADATA") or ""
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("..", "/", '"..')) and ".pyc," not in line and not line.split(",")[0].endswith(_VOLATILE)
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def differences(pinned: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """In what an environment is another one, for people."""
    out = [f"{what} is {here[what]}, not {pinned[what]}" for what in ("python", "platform") if pinned[what] != here[what]]
    for name in sorted({*pinned["packages"], *here["packages"]}):
        want, got = pinned["packages"].get(name), here["packages"].get(name)
        if want == got:
            continue
        if want is None:
            out.append(f"{name} {got.split()[0]} should not be there")
        elif got is None:
            out.append(f"{name} {want.split()[0]} is missing")
        elif want.split()[0] == got.split()[0]:
            out.append(f"{name} {got.split()[0]} has other files")
        else:
            out.append(f"{name} is {got.split()[0]}, not {want.split()[0]}")
    return out


def check(pinned: dict[str, Any]) -> None:
    """Ends the process if the environment here is another one."""
    wrong = differences(pinned, environment())
    if wrong:
        shown = "\n  ".join(wrong[:20] + ([f"… and {len(wrong) - 20} more"] if len(wrong) > 20 else []))
        sys.exit(
            f"The environment {sys.prefix} on {os.uname().nodename} is not the one that the plugin was packed with:\n  {shown}\n"
            "Install the same packages into it, from a requirements file with versions."
        )
