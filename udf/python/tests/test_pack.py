"""Packing, and what a packed plugin is pinned to."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import environment

from quern_udf import pin
from quern_udf.pack import Mistake, pack

ONE = "from quern_udf import scalar\nfrom helper import one\n\n@scalar\ndef f(x: int) -> int:\n    return one\n"


@pytest.fixture
def plugin(tmp_path):
    folder = tmp_path / "model"
    for name, text in {
        "plugin.py": ONE, "helper.py": "one = 1\n", "lib/__init__.py": "", "tests/test_it.py": "", "test_more.py": "",
        ".hidden/x.py": "", "__pycache__/x.py": "", "env/pyvenv.cfg": "", "env/x.py": "", "data.bin": "",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_same_sources_give_the_same_bytes(plugin, tmp_path):
    pack(plugin, tmp_path / "a")
    for path in plugin.rglob("*"):
        os.utime(path, (0, 0))
    pack(plugin, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    (plugin / "helper.py").write_text("one = 2\n")
    pack(plugin, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_contents(plugin, tmp_path):
    pack(plugin, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as z:
        assert z.namelist() == ["__main__.py", "helper.py", "lib/__init__.py", "plugin.py", "quern_pin.json", "quern_pin.py"]
        pinned = json.loads(z.read("quern_pin.json"))
    assert pinned["module"] == "plugin" and "quern-udf" in pinned["environment"]["packages"]
    assert (tmp_path / "a").read_bytes().startswith(b"#!" + sys.executable.encode() + b" -sB\n")


def test_a_file_is_packed_alone(plugin, tmp_path):
    (plugin / "helper.py").rename(plugin / "alone.py")
    pack(plugin / "alone.py", tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as z:
        assert "plugin.py" not in z.namelist() and json.loads(z.read("quern_pin.json"))["module"] == "alone"


def test_locked_requirements(plugin, tmp_path):
    here = pin.environment()["packages"]["numpy"].split()[0]
    (plugin / "requirements.txt").write_text(
        f"# by hand\nnumpy=={here} --hash=sha256:00\npyarrow\nnothing==1; python_version < '3'\n"
    )
    pack(plugin, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as z:
        assert "requirements.txt" in z.namelist()
    (plugin / "requirements.txt").write_text("NumPy==1.0\nno-such-package==2\n")
    with pytest.raises(Mistake, match=f"(?s)NumPy is {here}, not 1.0.*no-such-package is not there, not 2.*pip install -r"):
        pack(plugin, tmp_path / "a")


def test_mistakes(tmp_path):
    with pytest.raises(Mistake, match=r"has no plugin.py"):
        pack(tmp_path, tmp_path / "a")
    (tmp_path / "a-b.py").write_text("")
    with pytest.raises(Mistake, match="cannot be imported"):
        pack(tmp_path / "a-b.py", tmp_path / "a")
    (tmp_path / "plugin.py").write_text("")
    (tmp_path / "quern_pin.py").write_text("")
    with pytest.raises(Mistake, match="taken by the packed plugin"):
        pack(tmp_path, tmp_path / "a")


def test_another_environment_is_refused(plugin, tmp_path):
    """A packed plugin is started where a package is missing and one has another version."""
    pack(plugin, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as z:
        contents = {name: z.read(name) for name in z.namelist()}
    pinned = json.loads(contents["quern_pin.json"])
    pinned["environment"]["packages"] |= {"gone": "1.0 00", "numpy": "0.1 00"}
    contents["quern_pin.json"] = json.dumps(pinned).encode()
    with open(tmp_path / "b", "wb") as f:
        f.write(f"#!{sys.executable} -sB\n".encode())
        with zipfile.ZipFile(f, "w") as z:
            for name, data in contents.items():
                z.writestr(name, data)
    (tmp_path / "b").chmod(0o755)
    done = subprocess.run([tmp_path / "b"], env=environment(tmp_path), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stdout == ""
    assert "is not the one that the plugin was packed with" in done.stderr
    assert "gone 1.0 is missing" in done.stderr and ", not 0.1" in done.stderr


def test_differences():
    a = {"python": "CPython 3.11.7", "platform": "linux", "packages": {"a": "1 x", "b": "1 x", "c": "1 x"}}
    b = {"python": "CPython 3.12.1", "platform": "linux", "packages": {"a": "1 y", "b": "2 x", "d": "1 x"}}
    assert pin.differences(a, a) == []
    assert pin.differences(a, b) == [
        "python is CPython 3.12.1, not CPython 3.11.7", "a 1 has other files", "b is 2, not 1", "c 1 is missing", "d 1 should not be there",
    ]  # fmt: skip
