"""dedupe and sessionize beside DuckDB, pandas and Polars, on random logs."""

import duckdb
import pandas as pd
import polars as pl
import pytest

import lib
import logs
import readers
from logs import KEYS, SECOND, SEEDS

# id makes every order total: where it is not in order_by, the other columns decide, the first of which is id.
JOB = """
name: rows
sources: {log: log}
steps:
  - name: known
    sql: SELECT id, k, n, v, t FROM log WHERE t IS NOT NULL
  - {name: first, dedupe: {from: log, keys: [k, n], order_by: [t, id]}}
  - {name: last, dedupe: {from: log, keys: [k, n], order_by: [t, id], keep: last}}
  - {name: newest, dedupe: {from: log, keys: [k], order_by: ["v desc nulls last", "id desc"]}}
  - {name: once, dedupe: {from: known, keys: [k, n], time: t, horizon: 3s}}
  - {name: visits, sessionize: {from: log, keys: [k, n], time: t, gap: 2s}}
  - {name: pieces, sessionize: {from: log, keys: [k, n], time: t, gap: 2s, max_length: 5s}}
outputs:
  - {name: first, path: out/first}
  - {name: last, path: out/last}
  - {name: newest, path: out/newest}
  - {name: once, path: out/once}
  - {name: visits, path: out/visits}
  - {name: pieces, path: out/pieces}
"""
GAP, LENGTH = 2 * SECOND, 5 * SECOND


@pytest.fixture(scope="module", params=SEEDS)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    log = logs.Logs(request.param)
    frame = log.rows(200, v=lambda: log.maybe(log.random.randrange(5), 0.2)).astype({"v": "Int64"})[["id", *KEYS, "v", "t"]]
    log.write(frame, folder / "log")
    out = {name: readers.arrow(data).to_pandas(types_mapper=pd.ArrowDtype) for name, data in lib.run(JOB, str(folder)).items()}
    con = duckdb.connect()
    con.register("log", frame)
    return frame, out, con


def ids(frame):
    return sorted(frame["id"])


def test_dedupe_duckdb(made):
    _, out, con = made
    for name, keys, order in [
        ("first", "k, n", "t NULLS FIRST, id"),
        ("last", "k, n", "t DESC NULLS LAST, id DESC"),
        ("newest", "k", "v DESC NULLS LAST, id DESC"),
    ]:
        want = con.sql(f"SELECT id FROM log QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1").df()
        assert ids(out[name]) == ids(want), name
    want = con.sql("SELECT id FROM log WHERE t IS NOT NULL QUALIFY coalesce(t - lag(t) OVER (PARTITION BY k, n ORDER BY t, id) >= INTERVAL 3 SECOND, true)").df()
    assert ids(out["once"]) == ids(want)


def test_dedupe_pandas(made):
    frame, out, _ = made
    ordered = frame.sort_values(["t", "id"], na_position="first")
    assert ids(out["first"]) == ids(ordered.drop_duplicates(KEYS, keep="first"))
    assert ids(out["last"]) == ids(ordered.drop_duplicates(KEYS, keep="last"))
    assert ids(out["newest"]) == ids(frame.sort_values(["v", "id"], ascending=False, na_position="last").drop_duplicates("k"))


def test_dedupe_polars(made):
    frame, out, _ = made
    ordered = pl.from_pandas(frame).sort(["t", "id"], nulls_last=False)
    for keep in ("first", "last"):
        assert ids(out[keep]) == ids(ordered.unique(KEYS, keep=keep, maintain_order=True))


def sessions(frame):
    """Which rows are in one session, with its first and its last time: the ids are Quern's own."""
    found = {}
    for row in frame.itertuples():
        found.setdefault(row.session_id, []).append((row.id, row.session_start, row.session_end))
    return sorted(sorted(rows) for rows in found.values())


def check(out, want, n):
    known = out.dropna(subset=["session_id"])
    assert sessions(known) == sessions(want)
    assert len(out) == n and ids(known) == ids(want)
    assert out[~out["id"].isin(known["id"])][["session_start", "session_end", "session_part"]].isna().all(axis=None)


def test_sessionize_pandas(made):
    frame, out, _ = made
    want = logs.complete(frame).sort_values("t")
    number = want.groupby(KEYS)["t"].transform(lambda t: (t.diff() >= GAP).cumsum())
    for name in ("visits", "pieces"):
        by = [want["k"], want["n"], number]
        part = pd.Series(0, want.index)
        if name == "pieces":
            part = (want["t"] - want.groupby(by)["t"].transform("min")) // LENGTH
            by.append(part)
        times = want.groupby(by)["t"]
        rows = want.assign(session_id=times.ngroup(), session_start=times.transform("min"), session_end=times.transform("max") + GAP)
        check(out[name], rows, len(frame))
        assert out[name].set_index("id")["session_part"].dropna().astype(int).to_dict() == part.set_axis(want["id"]).to_dict()


def test_sessionize_duckdb(made):
    frame, out, con = made
    want = con.sql("""
      SELECT id, dense_rank() OVER (ORDER BY k, n, number) AS session_id, min(t) OVER (PARTITION BY k, n, number) AS session_start,
        max(t) OVER (PARTITION BY k, n, number) + INTERVAL 2 SECOND AS session_end
      FROM (SELECT *, count(*) FILTER (WHERE new) OVER (PARTITION BY k, n ORDER BY t) AS number
        FROM (SELECT *, coalesce(t - lag(t) OVER (PARTITION BY k, n ORDER BY t) >= INTERVAL 2 SECOND, true) AS new
          FROM log WHERE k IS NOT NULL AND n IS NOT NULL AND t IS NOT NULL))""").df()
    check(out["visits"], want, len(frame))


def test_sessionize_polars(made):
    frame, out, _ = made
    times = pl.from_pandas(logs.complete(frame)).sort("t").with_columns((pl.col("t").diff() >= GAP).fill_null(True).cum_sum().over(KEYS).alias("number"))
    over = [*KEYS, "number"]
    want = times.with_columns(
        pl.struct(over).rank("dense").alias("session_id"), pl.col("t").min().over(over).alias("session_start"), (pl.col("t").max().over(over) + GAP).alias("session_end")
    )
    check(out["visits"], want.to_pandas(), len(frame))
