"""Jobs with Python functions, run by quern."""

import json
import os
import re
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
QUERN = os.path.join(REPO, "bin", "quern")
SCORER = os.path.join(REPO, "testdata", "plugins", "scorer")

if not os.path.exists(QUERN):
    pytest.skip("there is no bin/quern: make build", allow_module_level=True)


def quern(*args, cwd, fails=False):
    done = subprocess.run([QUERN, *args], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, f"quern {' '.join(args)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr if fails else done.stdout


def rows(job, cwd, *args):
    """The rows that a job writes, the only output of it."""
    (output,) = json.loads(quern("run", job, "-q", "-o", "json", *args, cwd=cwd))["outputs"].values()
    with open(output["manifest"]) as f:
        manifest = json.load(f)
    files = [os.path.join(output["version_path"], s["key"]) for s in manifest["shards"]]
    return pa.concat_tables(pq.read_table(f, partitioning=None) for f in files), manifest


@pytest.fixture
def job(tmp_path):
    """Writes a job with a plugin's functions, a query over the numbers from 0 to 9,999 as x, and x with some NULLs as y."""
    x = pa.array(range(10_000))
    pq.write_table(pa.table({"x": x, "y": pa.array([v if v % 10 else None for v in range(10_000)])}), tmp_path / "t.parquet")

    def write(plugin, functions, sql, python=sys.executable):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / "plugin.py").write_text(plugin)
        bindings = "".join(f"  {name}: {{plugin: p, python: {python}{more}}}\n" for name, more in functions.items())
        text = f"name: j\nsources: {{t: t.parquet}}\nfunctions:\n{bindings}steps:\n  - {{name: a, sql: {json.dumps(sql)}}}\n"
        (tmp_path / "j.yaml").write_text(text + "outputs:\n  - {name: a, path: out}\n")
        return "j.yaml"

    return write


def test_a_model_scores_rows(tmp_path):
    import skops.io
    from sklearn.metrics import roc_auc_score

    sys.path.insert(0, SCORER)
    import train

    scored, manifest = rows(os.path.join(REPO, "testdata/jobs/flight_scores.yaml"), tmp_path, "-p", "ds=2001-01-10")
    path = os.path.join(SCORER, "model.skops")
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    wanted = model.predict_proba(train.features(scored))[:, 1]
    assert scored.num_rows == train.week(os.path.join(REPO, "testdata/flights"), [10]).num_rows
    assert scored.column("score").to_numpy().tolist() == wanted.tolist()
    late = [d > 15 for d in scored.column("delay").to_pylist()]
    assert roc_auc_score(late, wanted) > 0.55  # a day that the model has not seen
    again, other = rows(os.path.join(REPO, "testdata/jobs/flight_scores.yaml"), tmp_path, "-p", "ds=2001-01-10", "--workers", "2")
    assert [s["sha256"] for s in other["shards"]] == [s["sha256"] for s in manifest["shards"]]


FUNCTIONS = """
import pyarrow.compute as pc
from quern_udf import BigInt, Context, Double, RowError, String, scalar

@scalar
def plus(x: BigInt, y: BigInt) -> BigInt:
    return pc.add(x, y)

@scalar
def parity(x: int | None) -> str:
    return "none" if x is None else "odd" if x % 2 else "even"

@scalar
def strict(x: int) -> int:
    if x == 4321:
        print("just before")
        raise RowError("not this one")
    return x

@scalar
def broken(x: BigInt) -> Double:
    print("just before")
    return [1 / (v - 1234) for v in x.to_pylist()]
"""


def test_functions_in_a_query(job, tmp_path):
    sql = (
        "SELECT parity(y) AS p, count(*) AS n, sum(plus(x, 1)) AS s, count(plus(x, y)) AS c FROM t GROUP BY parity(y) ORDER BY p"
    )
    got, _ = rows(job(FUNCTIONS, {"plus": "", "parity": ""}, sql), tmp_path)
    assert got.to_pylist() == [
        {"p": "even", "n": 4000, "s": sum(v + 1 for v in range(10_000) if v % 10 and v % 2 == 0), "c": 4000},
        {"p": "none", "n": 1000, "s": sum(v + 1 for v in range(0, 10_000, 10)), "c": 0},
        {"p": "odd", "n": 5000, "s": sum(v + 1 for v in range(1, 10_000, 2)), "c": 5000},
    ]


def test_a_row_that_is_refused_is_named(job, tmp_path):
    said = quern("run", job(FUNCTIONS, {"strict": ""}, "SELECT sum(strict(x)) AS s FROM t"), "-q", cwd=tmp_path, fails=True)
    assert "function strict" in said and "failed for (4321): not this one" in said


def test_an_exception_is_told_with_its_row_and_place(job, tmp_path):
    said = quern("run", job(FUNCTIONS, {"broken": ""}, "SELECT sum(broken(x)) AS s FROM t"), "-q", cwd=tmp_path, fails=True)
    assert "panicked for (1234): ZeroDivisionError" in said and "in broken" in said


@pytest.mark.parametrize(
    "python, message",
    [
        ("nowhere/bin/python", r"there is no Python interpreter .*/nowhere/bin/python: make a virtual environment with\n"),
        ("/usr/bin/env", r"cannot be packed"),
    ],
)
def test_a_wrong_interpreter_is_shown_in_the_job_file(job, tmp_path, python, message):
    said = quern("run", job(FUNCTIONS, {"plus": ""}, "SELECT 1 AS one", python), "-q", cwd=tmp_path, fails=True)
    assert re.search(message, said) and "j.yaml:4:" in said


def test_the_digest_is_that_of_sources_and_environment(job, tmp_path):
    name = job(FUNCTIONS, {"plus": f", sha256: '{'0' * 64}'"}, "SELECT max(plus(x, 1)) AS m FROM t")
    said = quern("run", name, "-q", cwd=tmp_path, fails=True)
    digest = re.search(r"has SHA-256 ([0-9a-f]{64}), but the job file pins 0000", said)[1]
    got, _ = rows(job(FUNCTIONS, {"plus": f", sha256: '{digest}'"}, "SELECT max(plus(x, 1)) AS m FROM t"), tmp_path)
    assert got.to_pylist() == [{"m": 10_000}]
    said = quern(
        "run", job(FUNCTIONS + "#", {"plus": f", sha256: '{digest}'"}, "SELECT 1 AS one"), "-q", cwd=tmp_path, fails=True
    )
    assert f"but the job file pins {digest}" in said


KINDS = """
from dataclasses import dataclass
import numpy as np, pyarrow as pa, pyarrow.compute as pc
from quern_udf import *

@aggregate(state={"total": "bigint", "n": "bigint"})
class MeanOf:
    def update(self, groups: Groups, x: BigInt):
        return groups.sums(x), groups.sizes(x)
    def merge(self, groups: Groups, total: BigInt, n: BigInt):
        return groups.sums(total), groups.sums(n)
    def finish(self, total: BigInt, n: BigInt) -> Double | None:
        return pc.if_else(pc.equal(n, 0), None, pc.divide(pc.cast(total, pa.float64()), pc.cast(n, pa.float64())))

@table(input={"x": "bigint"}, output={"x": "bigint", "half": "double"})
def halves(rows):
    x = rows.column("x").filter(pc.less(rows.column("x"), 6))
    return {"x": x, "half": pc.divide(pc.cast(x, pa.float64()), 2)}

@table(input={"x": "bigint"}, output={"lowest": "bigint", "rows": "bigint"}, per="group")
def extent(rows):
    return {"lowest": [pc.min(rows.column("x")).as_py()], "rows": [rows.num_rows]}

@dataclass
class To:
    to: int

@source(output={"n": "bigint", "square": "bigint"}, options=To)
class Numbers:
    def open(self, ctx: Context):
        self.to = ctx.options.to
    def split(self):
        return [str(i).encode() for i in range(3)]
    def read(self, task: bytes, columns):
        n = pa.array(np.arange(int(task), self.to, 3))
        yield {"n": n, "square": pc.multiply(n, n)}

@scalar
def picky(x: BigInt) -> BigInt:
    bad = np.flatnonzero(np.asarray(pc.equal(pc.bit_wise_and(x, 4095), 7)))
    if len(bad):
        raise RowErrors({int(i): "it ends with 7" for i in bad})
    return x

@table(input={"x": "bigint"}, output={"x": "bigint"})
def picky_rows(rows):
    bad = [i for i, x in enumerate(rows.column("x").to_pylist()) if x & 4095 == 7]
    if bad:
        raise RowErrors({i: "it ends with 7" for i in bad})
    return {"x": rows.column("x")}

@table(input={"x": "bigint"}, output={"n": "bigint"}, per="group")
def picky_groups(rows):
    if 7 in rows.column("x").to_pylist():
        raise ValueError("seven is among them")
    return {"n": [rows.num_rows]}
"""


@pytest.mark.parametrize(
    "function, sql, wanted",
    [
        (
            "mean_of",
            "SELECT x % 3 AS k, mean_of(y) AS m, mean_of(y) FILTER (WHERE x < 0) AS none FROM t GROUP BY x % 3 ORDER BY k",
            [{"k": k, "m": sum(v := [i for i in range(k, 10_000, 3) if i % 10]) / len(v), "none": None} for k in range(3)],
        ),
        ("halves", "SELECT * FROM halves(TABLE(t)) ORDER BY x", [{"x": x, "half": x / 2} for x in range(6)]),
        (
            "extent",
            "SELECT * FROM extent(TABLE(SELECT x, x % 4 AS k FROM t) PARTITION BY k) ORDER BY lowest",
            [{"lowest": k, "rows": 2500} for k in range(4)],
        ),
    ],
)
def test_kinds_of_functions(job, tmp_path, function, sql, wanted):
    got, _ = rows(job(KINDS, {function: ""}, sql), tmp_path)
    keys = list(wanted[0])
    assert [{k: row[k] for k in keys} for row in got.to_pylist()] == wanted


def test_source_functions(job, tmp_path):
    got, _ = rows(
        job(KINDS, {"numbers": ", options: {to: 1000}"}, "SELECT count(*) AS c, sum(square) AS s FROM numbers()"), tmp_path
    )
    assert got.to_pylist() == [{"c": 1000, "s": sum(i * i for i in range(1000))}]
    said = quern("run", job(KINDS, {"numbers": ", options: {too: 1}"}, "SELECT * FROM numbers()"), "-q", cwd=tmp_path, fails=True)
    assert "the function has no option 'too'; there are to" in said and "j.yaml:4:" in said


def test_refused_rows_go_to_the_rejects(job, tmp_path):
    got, manifest = rows(job(KINDS, {"picky": ", on_error: quarantine"}, "SELECT picky(x) AS x FROM t"), tmp_path)
    bad = [v for v in range(10_000) if v & 4095 == 7]
    assert sorted(got.column("x").to_pylist()) == [v for v in range(10_000) if v not in bad]
    assert manifest["rejects"]["functions"] == [{"name": "picky", "rows": len(bad)}]
    assert rejected(tmp_path) == [("picky", "it ends with 7", [str(v)], {"x": str(v)}) for v in bad]
    got, _ = rows(job(KINDS, {"picky": ", on_error: 'null'"}, "SELECT count(*) AS n, count(picky(x)) AS c FROM t"), tmp_path)
    assert got.to_pylist() == [{"n": 10_000, "c": 10_000 - len(bad)}]


def rejected(cwd):
    """What is in the files of rejects: function, reason, arguments and input of each row."""
    lines = [line for f in sorted(cwd.glob("out/*/_rejects/*")) for line in f.read_text().splitlines()]
    told = [json.loads(line) for line in lines]
    return [(r["function"], r["reason"], r["args"], {c["name"]: c["value"] for c in r["input"]}) for r in told]


def test_rows_and_groups_of_tables_go_to_the_rejects(job, tmp_path):
    got, _ = rows(job(KINDS, {"picky_rows": ", on_error: quarantine"}, "SELECT x FROM picky_rows(TABLE(t))"), tmp_path)
    bad = [v for v in range(10_000) if v & 4095 == 7]
    assert sorted(got.column("x").to_pylist()) == [v for v in range(10_000) if v not in bad]
    assert [(reason, args) for _, reason, args, _ in rejected(tmp_path)] == [("it ends with 7", [str(v)]) for v in bad]
    shutil.rmtree(tmp_path / "out")
    sql = "SELECT n FROM picky_groups(TABLE(SELECT x, x DIV 1000 AS k FROM t) PARTITION BY k ORDER BY x)"
    got, manifest = rows(job(KINDS, {"picky_groups": ", on_error: quarantine"}, sql), tmp_path)
    assert got.column("n").to_pylist() == [1000] * 9
    assert manifest["rejects"]["functions"] == [{"name": "picky_groups", "rows": 1000}]
    told = rejected(tmp_path)
    assert [int(args[0]) for _, _, args, _ in told] == list(range(1000))
    assert {reason for _, reason, _, _ in told} == {"panicked: ValueError: seven is among them"}


def test_a_plugin_to_begin_with(job, tmp_path):
    quern("udf", "init", "mine", "--lang", "python", cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path / "mine", capture_output=True, text=True
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    job("", {}, "SELECT haul(x) AS haul, sum(miles_to_km(x)) AS km FROM t GROUP BY haul(x) ORDER BY haul")
    text = (tmp_path / "j.yaml").read_text()
    bindings = "".join(f"  {name}: {{plugin: mine, python: {sys.executable}}}\n" for name in ("haul", "miles_to_km"))
    (tmp_path / "j.yaml").write_text(text.replace("functions:\n", "functions:\n" + bindings))
    got, _ = rows("j.yaml", tmp_path)
    assert [(r["haul"], round(r["km"])) for r in got.to_pylist()] == [
        ("long", round(1.609344 * sum(range(800, 10_000)))), ("short", round(1.609344 * sum(range(800)))),
    ]  # fmt: skip
