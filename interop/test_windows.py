"""windows beside DuckDB's RANGE frames, pandas' rolling and Polars' rolling_*_by, on random logs.

DuckDB gets rows and events in one table, and frames whose bounds are computed for each row, so every preset can be said in it. pandas
and Polars know windows of a table over itself only.
"""

import math

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lib
import logs
import readers
from logs import KEYS, SECOND, SEEDS

HOUR, DAY = 3600, 86400
WINDOWS = {"10m": 600, "3h": 3 * HOUR, "13h": 13 * HOUR, "13d": 13 * DAY}
MIDNIGHT = f"q // {DAY}000000 * {DAY}000000"


def floor_hop(w):
    hop = DAY if w >= 12 * DAY else HOUR if w >= 12 * HOUR else 300
    return f"(q - {w}000000) // {hop}000000 * {hop}000000"


# Of each preset: its options, and the first and the last microsecond of the events of a row at q in a window of w seconds.
PRESETS = {
    "exact": ("preset: exact", lambda w: f"q - {w}000000", "q - 1"),
    "chronon": ("preset: chronon", floor_hop, "q - 1"),
    "chronon_snapshot": ("preset: chronon_snapshot", lambda w: f"{MIDNIGHT} - {w}000000", f"{MIDNIGHT} - 1"),
    "zipline": ("preset: zipline", floor_hop, "q"),
    "feathr": ("preset: feathr, delay: 5m", lambda w: f"q - 300000000 - {w}000000 + 1", "q - 300000000"),
    "sql_range": ("preset: sql_range", lambda w: f"q - {w}000000", "q"),
    "sql_range_alone": ("preset: sql_range, exclude_peers: true", lambda w: f"q - {w}000000", "q - 1"),
    "rolling_right": ("preset: pandas_rolling", lambda w: f"q - {w}000000 + 1", "q"),
    "rolling_left": ("preset: pandas_rolling, closed: left", lambda w: f"q - {w}000000", "q - 1"),
    "rolling_both": ("preset: pandas_rolling, closed: both", lambda w: f"q - {w}000000", "q"),
    "rolling_neither": ("preset: pandas_rolling, closed: neither", lambda w: f"q - {w}000000 + 1", "q - 1"),
}
# What Quern and DuckDB call the same. x is a whole number, y a double of eighths, whose sums are exact in any order, z a decimal.
FEATURES = {
    "n": ("count(*)", "count(*)"),
    "nx": ("count(x)", "count(x)"),
    "sx": ("sum(x)", "sum(x)"),
    "ax": ("avg(x)", "avg(x)"),
    "lo": ("min(x)", "min(x)"),
    "hi": ("max(y)", "max(y)"),
    "sy": ("sum(y)", "sum(y)"),
    "ay": ("avg(y)", "avg(y)"),
    "sz": ("sum(z)", "sum(z)"),
    "vp": ("var_pop(y)", "var_pop(y)"),
    "vs": ("var_samp(x)", "var_samp(x)"),
    "ss": ("stddev_samp(y)", "stddev_samp(y)"),
    "sp": ("stddev_pop(x)", "stddev_pop(x)"),
    "dx": ("count(DISTINCT x)", "count(DISTINCT x)"),
    "even": ("sum(x) FILTER (WHERE x % 2 = 0)", "sum(CASE WHEN x % 2 = 0 THEN x END)"),
    "med": ("percentile_approx(x, 0.5)", "quantile_disc(x, 0.5)"),
    "fe": ("first(eid)", "min_by(eid, {t: t, e: eid})"),
    "le": ("last(eid)", "max_by(eid, {t: t, e: eid})"),
    "past": ("last_k(eid, 1000)", "list([t, eid])"),
}
COUNTS = ("n", "nx", "dx")
# What pandas and Polars have of it.
CLOSED = ["right", "left", "both", "neither"]
OWN = {"count": "count(y)", "sum": "sum(y)", "mean": "avg(y)", "min": "min(y)", "max": "max(y)", "var": "var_samp(y)", "std": "stddev_samp(y)"}


def widths(preset):
    return {w: s for w, s in WINDOWS.items() if preset != "chronon_snapshot" or s % DAY == 0}


def job(steps):
    """A job with a windows step for each name and its options, windows and features."""
    text = "name: windows\nsources: {rows: rows, events: events}\nsteps:\n"
    for name, (options, rows, windows, features) in steps.items():
        lines = "".join(f"        {feature}: {call}\n" for feature, call in features.items())
        text += f"""
  - name: {name}
    windows:
      from: {rows}
      by: [k, n]
      time: t
      events: {{from: events, time: t}}
      windows: [{", ".join(windows)}]
      {options.replace(", ", chr(10) + "      ")}
      features:
{lines}"""
    return text + "outputs:\n" + "".join(f"  - {{name: {name}, path: out/{name}}}\n" for name in steps)


def value(cell):
    """NULL is None, whatever a library has for it."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    return None if isinstance(cell, float) and math.isnan(cell) else cell  # there are no NaN among the values


def near(got, want):
    if got is None or want is None or isinstance(got, list):
        return got == want
    return math.isclose(float(got), float(want), rel_tol=1e-9, abs_tol=1e-9)


def compare(what, got, want):
    """Compares columns of the rows of got, by id, with those of want; rows that want has not are as without events."""
    wrong = []
    for id, row in want.items():
        wrong += [(what, id, c, got[id][c], w) for c, w in row.items() if not near(value(got[id][c]), value(w))]
    assert not wrong, f"{len(wrong)} cells differ, such as {wrong[:5]} (preset, id, column, Quern's, the peer's)"


def by_id(rows):
    return {r["id"]: r for r in rows}


@pytest.fixture(scope="module", params=SEEDS)
def counted(request, tmp_path_factory):
    """Rows, events, and what Quern adds to the rows by each preset."""
    folder = tmp_path_factory.mktemp("windows")
    log = logs.Logs(request.param)
    draw = log.random
    unit = draw.choice([60, 300, 420, 3660, 43200]) * SECOND
    rows = log.rows(150, unit)
    events = log.rows(
        draw.choice([30, 300]), unit, x=lambda: log.maybe(draw.randrange(-5, 6), 0.2), y=lambda: log.maybe(draw.randrange(-1000, 1000) / 8, 0.2),
        z=lambda: log.maybe(f"{draw.randrange(-9999, 9999) / 100:.2f}", 0.2),
    ).rename(columns={"id": "eid"}).astype({"x": "Int64", "y": "Float64", "z": "string"})
    log.write(rows, folder / "rows")
    log.write(events, folder / "events", {"z": pa.decimal128(9, 2)})
    features = {name: quern for name, (quern, _) in FEATURES.items()}
    steps = {name: (options, "rows", widths(name), features) for name, (options, _, _) in PRESETS.items()}
    steps |= {"own_" + closed: (f"preset: pandas_rolling, closed: {closed}", "events", WINDOWS, OWN) for closed in CLOSED}
    out = {name: by_id(readers.arrow(data).rename_columns({"eid": "id"} if name.startswith("own_") else {}).to_pylist()) for name, data in lib.run(job(steps), str(folder)).items()}
    con = duckdb.connect(config={"threads": 2})
    con.register("rows_", logs.complete(rows))
    con.register("events_", logs.complete(events))
    con.execute("CREATE TABLE r AS SELECT k, n, id, epoch_us(t) AS q FROM rows_")
    con.execute("CREATE TABLE e AS SELECT k, n, eid, x, y, CAST(z AS DECIMAL(9, 2)) AS z, epoch_us(t) AS t FROM events_")
    return rows, events, out, con


def frames(preset):
    """A query of rows and events in one table, with a frame for each window."""
    _, first, last = PRESETS[preset]
    columns, named = [], []
    for window, seconds in widths(preset).items():
        named.append(f"w{window} AS (PARTITION BY k, n ORDER BY q RANGE BETWEEN q - ({first(seconds)}) PRECEDING AND q - ({last}) PRECEDING)")
        columns += [f"{call} FILTER (WHERE id IS NULL) OVER w{window} AS {name}_{window}" for name, (_, call) in FEATURES.items()]
    both = "SELECT k, n, q, id, NULL AS eid, NULL AS x, NULL AS y, NULL AS z, NULL AS t FROM r UNION ALL SELECT k, n, t, NULL, eid, x, y, z, t FROM e"
    return f"SELECT * FROM (SELECT id, {', '.join(columns)} FROM ({both}) WINDOW {', '.join(named)}) WHERE id IS NOT NULL"


@pytest.mark.parametrize("preset", PRESETS)
def test_duckdb(counted, preset):
    rows, _, out, con = counted
    relation = con.sql(frames(preset))
    want = by_id(dict(zip(relation.columns, r)) for r in relation.fetchall())
    for row in want.values():
        del row["id"]
        for c in row:
            if c.startswith("past_") and row[c]:
                row[c] = [id for _, id in sorted(row[c])]
    empty = {f"{name}_{w}": 0 if name in COUNTS else None for name in FEATURES for w in widths(preset)}
    compare(preset, out[preset], {id: want.get(id, empty) for id in range(len(rows))})


@pytest.mark.parametrize("closed", CLOSED)
def test_pandas(counted, closed):
    _, events, out, _ = counted
    frame = logs.complete(events).sort_values("t").astype({"y": "float64"})
    for window, seconds in WINDOWS.items():
        found = []
        for _, group in frame.groupby(KEYS):
            rolling = group.rolling(seconds * SECOND, on="t", closed=closed, min_periods=1)["y"]
            values = pd.DataFrame({f"{call}_{window}": getattr(rolling, call)() for call in OWN})
            # pandas has a row see those of its time that come before it, and not those behind it: one row of each time sees what Quern has all see.
            one = "last" if closed in ("right", "both") else "first"
            found.append(values.groupby(group["t"]).transform(one, skipna=False).assign(id=group["eid"]))
        found = pd.concat(found)
        found[f"count_{window}"] = found[f"count_{window}"].fillna(0)
        compare(f"pandas, {closed}", out["own_" + closed], by_id(found.to_dict("records")))


@pytest.mark.parametrize("closed", CLOSED)
def test_polars(counted, closed):
    _, events, out, _ = counted
    frame = pl.from_pandas(logs.complete(events)).rename({"eid": "id"}).select("id", "k", "n", "t", "y")
    for window, seconds in WINDOWS.items():
        options = {"by": "t", "window_size": f"{seconds}s", "closed": "none" if closed == "neither" else closed, "min_samples": 1}
        y = pl.col("y")
        calls = {call: getattr(y, f"rolling_{call}_by")(**options) for call in OWN if call != "count"}
        calls["count"] = y.is_not_null().cast(pl.Int64).rolling_sum_by(**options).fill_null(0)
        found = frame.with_columns([call.over(KEYS).alias(f"{name}_{window}") for name, call in calls.items()])
        compare(f"Polars, {closed}", out["own_" + closed], by_id(found.drop("k", "n", "t", "y").to_dicts()))
