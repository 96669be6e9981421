"""Rows of every type in every format, read by every library that reads it: what comes back is what Python says must be there."""

import datetime
import decimal

import polars as pl
import pytest

import lib
import readers

ROWS = 2000
JOB = f"""
name: types
steps:
  - name: all_types
    sql: |
      SELECT id AS l, cast(id % 100 AS TINYINT) AS i8, cast(id AS SMALLINT) AS i16, cast(id * 3 AS INT) AS i, cast(id / 8 AS FLOAT) AS f, id / 3 AS g,
        id % 2 = 0 AS b, cast(id / 8 AS DECIMAL(9,3)) AS p, cast(id * 1000000007 AS DECIMAL(18,3)) AS n, cast(id AS DECIMAL(38,6)) * -1 AS w,
        CASE WHEN id % 5 <> 0 THEN concat('s"é,', id) END AS s, CASE WHEN id % 3 <> 0 THEN concat('c', id % 4) END AS c,
        date_add(DATE '1970-01-01', cast(id * 20 AS INT) - 5000) AS d, timestamp_micros(id * 1234567 - 1000000000) AS ts,
        cast(timestamp_micros(id * 1234567) AS TIMESTAMP_NTZ) AS tn, cast(concat('b', id) AS BINARY) AS bin,
        CASE WHEN id % 7 = 0 THEN NULL WHEN id % 7 = 1 THEN array() ELSE array(id, NULL, id + 1) END AS a,
        CASE WHEN id % 11 <> 0 THEN map(concat('k', id % 3), id, 'z', NULL) END AS m,
        CASE WHEN id % 13 <> 0 THEN named_struct('x', id, 'y', array(named_struct('q', concat('q', id), 'r', nullif(id % 4, 0)))) END AS st
      FROM range({ROWS})
  - {{name: flat, sql: "SELECT * EXCEPT (bin, a, m, st) FROM all_types"}}
  - {{name: simple, sql: "SELECT * EXCEPT (p, n, w) FROM flat"}}
outputs:
  - {{name: parquet, from: all_types, path: out/parquet, shards: 3}}
  - {{name: snappy, from: all_types, path: out/snappy, compression: snappy, options: {{rowGroupRows: 100, pageSize: 2048, bloomFilters: [l, s], dictionary: false}}}}
  - {{name: folders, from: all_types, path: out/folders, shards: 2, partition_by: [c, b], rows_per_file: 100}}
  - {{name: arrow, from: all_types, path: out/arrow, format: arrow, shards: 2, sort_by: [s desc], options: {{batchRows: 100}}}}
  - {{name: csv, from: flat, path: out/csv, format: csv, shards: 2, options: {{header: true, escape: '"'}}}}
  - {{name: csv_folders, from: flat, path: out/csv_folders, format: csv, partition_by: [c], options: {{header: true, escape: '"'}}}}
  - {{name: json, from: all_types, path: out/json, format: json, compression: gzip, shards: 2}}
  - {{name: json_simple, from: simple, path: out/json_simple, format: json, options: {{ignoreNullFields: false}}}}
"""
EPOCH = datetime.datetime(1970, 1, 1)


def expected():
    """The rows of the job, in Python's words."""
    rows = []
    for i in range(ROWS):
        exact = decimal.Decimal(i)
        rows.append(
            {
                "l": i, "i8": i % 100, "i16": i, "i": i * 3, "f": i / 8, "g": i / 3, "b": i % 2 == 0,
                "p": (exact / 8).quantize(decimal.Decimal("0.001")), "n": (exact * 1000000007).quantize(decimal.Decimal("0.001")),
                "w": (exact * -1 + 0).quantize(decimal.Decimal("0.000001")), "s": f's"é,{i}' if i % 5 else None, "c": f"c{i % 4}" if i % 3 else None,
                "d": datetime.date(1970, 1, 1) + datetime.timedelta(days=i * 20 - 5000),
                "ts": EPOCH + datetime.timedelta(microseconds=i * 1234567 - 1000000000), "tn": EPOCH + datetime.timedelta(microseconds=i * 1234567),
                "bin": b"b%d" % i, "a": None if i % 7 == 0 else [] if i % 7 == 1 else [i, None, i + 1],
                "m": {f"k{i % 3}": i, "z": None} if i % 11 else None,
                "st": {"x": i, "y": [{"q": f"q{i}", "r": i % 4 or None}]} if i % 13 else None,
            }
        )
    return rows


WANT = expected()


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    return lib.run(JOB, str(tmp_path_factory.mktemp("types")))


def check(rows, data):
    assert data.rows == ROWS
    lib.same(rows, WANT, data.columns)


@pytest.mark.parametrize("name", ["parquet", "snappy", "folders", "arrow", "csv", "csv_folders", "json_simple"])
def test_pyarrow(types, name):
    data = types[name]
    table = readers.arrow(data)
    for field in readers.arrow_schema(data):
        assert table.schema.field(field.name).type == field.type, field.name
    check(table.to_pylist(), data)


@pytest.mark.parametrize("name", ["parquet", "snappy", "folders", "arrow", "csv", "json_simple"])
def test_polars(types, name):
    data = types[name]
    frame = readers.polars(data)
    assert dict(frame.schema) == dict(pl.from_arrow(readers.arrow_schema(data).empty_table()).schema)
    check(frame.to_dicts(), data)


@pytest.mark.parametrize("name", ["parquet", "snappy", "folders", "csv", "csv_folders", "json", "json_simple"])
def test_spark(types, name, spark):
    data = types[name]
    frame = readers.spark(spark, data)
    assert dict(frame.dtypes) == {c["name"]: c["type"] for c in data.manifest["schema"]}
    check([r.asDict(recursive=True) for r in frame.collect()], data)


@pytest.mark.parametrize("name", ["parquet", "snappy", "folders"])
def test_duckdb(types, name):
    data = types[name]
    relation = readers.duck(data)
    check([dict(zip(relation.columns, r)) for r in relation.fetchall()], data)
