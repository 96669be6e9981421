"""The differences that docs/interop.md tells of: a peer that no longer has one should lose its line there."""

import duckdb
import pandas as pd
import polars as pl
import pytest

T = pd.to_datetime([0, 1, 2, 3], unit="s", utc=True)
RIGHT = pd.DataFrame({"k": ["a", "a"], "t": [T[1], T[1]], "v": [1, 2]})


def asof(right, at=T[1], key="a", **options):
    left = pd.DataFrame({"k": pd.Series([key], dtype="string"), "t": pd.Series([at], dtype=T.dtype)})
    return pd.merge_asof(left, right.astype({"k": "string"}), on="t", by="k", **options)["v"].tolist()


def test_pandas_takes_the_last_of_its_input():
    assert asof(RIGHT) == [2]
    assert asof(RIGHT[::-1]) == [1]


def test_pandas_matches_null_keys():
    assert asof(RIGHT.assign(k=None), key=None) == [2]


def test_pandas_refuses_null_times():
    with pytest.raises(ValueError, match="Merge keys contain null"):
        asof(RIGHT, at=pd.NaT)


def test_polars_takes_the_last_forward_of_nearest():
    left, right = pl.DataFrame({"t": [T[0]]}), pl.DataFrame({"t": [T[1], T[1]], "v": [1, 2]})
    assert left.join_asof(right, on="t", strategy="forward")["v"].to_list() == [1]
    assert left.join_asof(right, on="t", strategy="nearest")["v"].to_list() == [2]


def test_nearest_of_two():
    right = RIGHT.assign(t=[T[1], T[3]])
    assert asof(right, at=T[2], direction="nearest") == [1]
    left = pl.DataFrame({"t": [T[2]]})
    assert left.join_asof(pl.from_pandas(right), on="t", strategy="nearest")["v"].to_list() == [2]


def test_rolling_in_pandas_sees_a_part_of_its_moment():
    times = pd.Series([1, 1, 1], index=[T[0], T[1], T[1]])
    assert times.rolling("1h").sum().tolist() == [1, 2, 3]
    frame = pl.DataFrame({"t": times.index.to_list(), "x": [1, 1, 1]})
    assert frame.select(pl.col("x").rolling_sum_by("t", "1h"))["x"].to_list() == [1, 3, 3]
    con = duckdb.connect()
    con.register("e", pd.DataFrame({"t": times.index, "x": 1}))
    assert con.sql("SELECT sum(x) OVER (ORDER BY t RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) FROM e").fetchall() == [(1,), (3,), (3,)]


def test_counts_of_nothing_in_pandas():
    assert pd.Series([1.0], index=T[:1]).rolling("1s", closed="left", min_periods=1).count().isna().tolist() == [True]


def test_backslashes_in_csv():
    text = b'a,b\n"x\\"y,z",1\n'  # as Quern, like Spark, writes it unless told to double quotes
    try:
        assert pl.read_csv(text).rows() != [('x"y,z', 1)]
    except pl.exceptions.ComputeError:
        pass
