"""as_of_join beside pandas' merge_asof, Polars' join_asof and DuckDB's ASOF JOIN, on random logs.

Where peers leave open which of several rows of one time they take, or take the one that comes first or last in their input,
they are given the right side in Quern's order. NULL keys and times, with which each does something else, are left out for
them; on Quern those rows must come out without a match.
"""

import itertools

import duckdb
import pandas as pd
import polars as pl
import pytest

import lib
import logs
import readers
from logs import KEYS, SECOND, SEEDS

# A feature table for each combination, all in one step: name, direction, tolerance, strict, equidistant.
TABLES = [
    (f"{direction}_{tolerance or 'any'}{'_strict' * strict}{'_' + equidistant if equidistant else ''}_", direction, tolerance, strict, equidistant)
    for direction, tolerance, strict in itertools.product(["backward", "forward", "nearest"], [None, 1, 7], [False, True])
    for equidistant in (["backward", "forward"] if direction == "nearest" else [None])
]


def job():
    tables = []
    for name, direction, tolerance, strict, equidistant in TABLES:
        options = [f"from: right, time: t, columns: [rid, v], prefix: {name}, direction: {direction}, strict: {str(strict).lower()}", f"age: {name}age, matched: {name}matched"]
        options += [f"tolerance: {tolerance}s"] * (tolerance is not None) + [f"equidistant: {equidistant}"] * (equidistant is not None)
        tables.append("        - {" + ", ".join(options) + "}\n")
    return (
        "name: asof\nsources: {left: left, right: right}\nsteps:\n  - name: joined\n    as_of_join:\n      from: left\n      by: [k, n]\n      time: t\n      tables:\n"
        + "".join(tables)
        + "outputs: [{name: joined, path: out}]\n"
    )


@pytest.fixture(scope="module", params=SEEDS)
def joined(request, tmp_path_factory):
    """Both sides, the right one in Quern's order, and what Quern makes of them."""
    folder = tmp_path_factory.mktemp("asof")
    log = logs.Logs(request.param)
    left = log.rows(300)
    right = log.rows(log.random.choice([20, 200]), v=lambda: log.maybe(log.random.randrange(4), 0.3)).rename(columns={"id": "rid"}).astype({"v": "Int64"})
    log.write(left, folder / "left")
    log.write(right, folder / "right")
    out = readers.arrow(lib.run(job(), str(folder))["joined"]).to_pandas(types_mapper=pd.ArrowDtype)
    assert sorted(out["id"]) == list(range(300)), "every row comes out once"
    # rid comes before v in the files: of rows of one time the greatest rid is the newest.
    return left, logs.complete(right).sort_values(["t", "rid"]), out.set_index("id").sort_index()


def check(out, name, want):
    """Compares with a peer's ids and values of the right side, by id of the left one."""
    want = want.set_index("id")[["rid", "v"]].reindex(out.index)  # rows that the peer was not given have no match
    for column in ("rid", "v"):
        got = out[name + column].astype("Int64")
        pd.testing.assert_series_equal(got, want[column].astype("Int64"), check_names=False, obj=name + column)
    assert list(out[name + "matched"]) == list(want["rid"].notna())


def check_ages(out, name, want):
    ages = (want["t"] - want["seen"]).dt.total_seconds().mul(1e6).set_axis(want["id"]).reindex(out.index)
    pd.testing.assert_series_equal(out[name + "age"].astype("Float64"), ages.astype("Float64"), check_names=False)


@pytest.mark.parametrize("name,direction,tolerance,strict,equidistant", [t for t in TABLES if t[4] != "forward"])
def test_pandas(joined, name, direction, tolerance, strict, equidistant):
    left, right, out = joined
    window = None if tolerance is None else tolerance * SECOND
    want = pd.merge_asof(logs.complete(left).sort_values("t"), right.assign(seen=right["t"]), on="t", by=KEYS, direction=direction, tolerance=window, allow_exact_matches=not strict)
    check(out, name, want)
    check_ages(out, name, want)


@pytest.mark.parametrize("name,direction,tolerance,strict,equidistant", [t for t in TABLES if t[4] != "backward"])
def test_polars(joined, name, direction, tolerance, strict, equidistant):
    left, right, out = joined
    window = None if tolerance is None else f"{tolerance}s"
    want = pl.from_pandas(logs.complete(left)).sort("t").join_asof(
        pl.from_pandas(right.assign(seen=right["t"])), on="t", by=KEYS, strategy=direction, tolerance=window, allow_exact_matches=not strict, check_sortedness=False
    )
    check_ages(out, name, want.to_pandas())
    if direction != "nearest":  # where Polars takes the last of several rows of the time that it chose, Quern, forward, the first
        check(out, name, want.to_pandas())


@pytest.mark.parametrize("name,direction,tolerance,strict", [t[:4] for t in TABLES if t[4] is None])
def test_duckdb(joined, name, direction, tolerance, strict):
    left, right, out = joined
    # Of rows of one time DuckDB takes any: here there is one.
    once = right.drop_duplicates([*KEYS, "t"], keep="last" if direction == "backward" else "first")
    sign = {"backward": ">", "forward": "<"}[direction] + ("" if strict else "=")
    con = duckdb.connect()
    con.register("l", logs.complete(left))
    con.register("r", once)
    near = "true" if tolerance is None else f"abs(epoch_us(l.t) - epoch_us(r.t)) <= {tolerance} * 1000000"
    want = con.sql(f"SELECT id, CASE WHEN {near} THEN rid END AS rid, CASE WHEN {near} THEN v END AS v FROM l ASOF LEFT JOIN r ON l.k = r.k AND l.n = r.n AND l.t {sign} r.t").df()
    check(out, name, want)
