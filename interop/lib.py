"""Runs quern, and brings the rows that different libraries read of a dataset into one form."""

import collections
import datetime
import decimal
import json
import os
import subprocess

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUERN = os.path.join(REPO, "bin", "quern")
EPOCH = datetime.datetime(1970, 1, 1)


def quern(*args, cwd):
    done = subprocess.run([QUERN, *args], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"quern {' '.join(args)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Dataset:
    """A version that a run has published, known by its manifest and by nothing else."""

    def __init__(self, status):
        self.folder = status["version_path"]
        with open(status["manifest"]) as f:
            self.manifest = json.load(f)
        self.files = [os.path.join(self.folder, s["key"]) for s in self.manifest["shards"]]
        self.rows = self.manifest["rows"]
        self.columns = [c["name"] for c in self.manifest["schema"]]


def run(job, cwd, *args):
    """The datasets that a job file, or the text of one, writes."""
    if "\n" in job:
        path = os.path.join(cwd, "job.yaml")
        with open(path, "w") as f:
            f.write(job)
        job = path
    outputs = json.loads(quern("run", job, "-q", "-o", "json", *args, cwd=cwd))["outputs"]
    return {name: Dataset(o) for name, o in outputs.items()}


def ask(sql, cwd, **tables):
    """Quern's own answer, as text that no library of these tests had a hand in."""
    flags = [word for name, path in tables.items() for word in ("--table", f"{name}={path}")]
    return [json.loads(line, parse_float=decimal.Decimal) for line in quern("sql", sql, "--format", "json", *flags, cwd=cwd).splitlines()]


def plain(value):
    """A value in a form that does not depend on the library that it comes from."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return ("time", (value - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, decimal.Decimal):
        return ("decimal", str(value))
    if isinstance(value, (bytes, bytearray)):
        return ("bytes", bytes(value))
    if isinstance(value, list) and value and all(isinstance(v, tuple) for v in value):
        value = dict(value)  # what pyarrow makes of a map
    if isinstance(value, dict):  # a struct, or a map, whose entries have no order on the JVM
        return tuple(sorted((k, plain(v)) for k, v in value.items()))
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    return value


def bag(rows, columns):
    """Rows (mappings) as a multiset: how often there is each."""
    return collections.Counter(repr([plain(r[c]) for c in columns]) for r in rows)


def same(got, want, columns):
    got, want = bag(got, columns), bag(want, columns)
    missing, surplus = want - got, got - want
    assert not missing and not surplus, f"{sum(missing.values())} rows are missing, {sum(surplus.values())} too many, such as\n{list(missing)[:2]}\n{list(surplus)[:2]}"
