"""The training sets of testdata/jobs, read by every library: the rows, types and sums that Quern itself finds in them."""

import datetime
import decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lib
import readers


@pytest.fixture(params=["labels", "training", "retrieval", "flights"], scope="module")
def data(request):
    return request.getfixturevalue("flights") if request.param == "flights" else request.getfixturevalue("ranking")[request.param]


def typed(value, sql):
    """A value of Quern's JSON as Python has it."""
    if value is None:
        return None
    if sql.startswith("timestamp"):
        return datetime.datetime.fromisoformat(value)
    if sql.startswith("decimal"):
        return decimal.Decimal(value)
    return float(value) if sql == "double" else value


@pytest.fixture(scope="module")
def want(data, tmp_path_factory):
    """The rows as `quern sql` shows them."""
    types = {c["name"]: c["type"] for c in data.manifest["schema"]}
    rows = lib.ask("SELECT * FROM t", tmp_path_factory.mktemp("ask"), t=f"{data.folder}/*.parquet")
    assert len(rows) == data.rows > 1000
    return [{c: typed(r.get(c), t) for c, t in types.items()} for r in rows]


def test_pyarrow(data, want):
    table = readers.arrow(data)
    for field, column in zip(table.schema, data.manifest["schema"], strict=True):
        kind = pa.list_(field.type.value_type) if pa.types.is_list(field.type) else field.type  # whatever its elements are called
        assert (field.name, kind, field.nullable) == (column["name"], readers.arrow_type(column["type"]), column["nullable"])
    lib.same(table.to_pylist(), want, data.columns)


def test_polars(data, want):
    frame = readers.polars(data)
    assert dict(frame.schema) == dict(pl.from_arrow(readers.arrow_schema(data).empty_table()).schema)
    lib.same(frame.to_dicts(), want, data.columns)


def test_duckdb(data, want):
    relation = readers.duck(data)
    lib.same([dict(zip(relation.columns, r)) for r in relation.fetchall()], want, data.columns)


def test_spark(data, want, spark):
    frame = readers.spark(spark, data)
    assert dict(frame.dtypes) == {c["name"]: c["type"] for c in data.manifest["schema"]}
    lib.same([r.asDict(recursive=True) for r in frame.collect()], want, data.columns)


def test_statistics(data):
    """The manifest's statistics are what pyarrow finds in the files."""
    table = readers.arrow(data)
    for column in data.manifest["columns"]:
        values = table[column["name"]]
        assert (column["values"], column["nulls"]) == (len(values) - values.null_count, values.null_count), column["name"]
        if "mean" in column:
            assert float(column["mean"]) == pytest.approx(float(pc.sum(values).as_py()) / column["values"], rel=1e-12), column["name"]
            low, high = pc.min_max(values).as_py().values()
            assert (float(column["min"]), float(column["max"])) == (float(low), float(high)), column["name"]


@pytest.mark.parametrize("workers", [0, 3])
def test_torch(ranking, workers, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: no DataLoader read anything")
    from torch.utils.data import DataLoader

    import shards

    data = ranking["training"]
    columns = ["event_id", "position", "clicked", "weight", "item_clicks_1d", "of_interest", "clicked_item_id", "clicked_ages"]
    options = {"multiprocessing_context": "forkserver", "persistent_workers": True} if workers else {}
    loader = DataLoader(shards.Shards(data.files, columns), batch_size=64, collate_fn=shards.collate, num_workers=workers, **options)
    epochs = [list(loader) for _ in range(2)]
    seen = [e for batch in epochs[0] for e in batch["event_id"].tolist()]
    assert seen == [e for batch in epochs[1] for e in batch["event_id"].tolist()], "another order in the second epoch"
    assert len(seen) == len(set(seen)) == data.rows
    answer, = lib.ask(
        "SELECT sum(position) AS position, sum(clicked) AS clicked, sum(weight) AS weight, sum(item_clicks_1d) AS item_clicks_1d,"
        " count_if(of_interest) AS of_interest, sum(size(clicked_item_id)) AS lists, sum(aggregate(clicked_item_id, 0L, (a, x) -> a + x)) AS clicked_item_id,"
        " sum(aggregate(clicked_ages, 0L, (a, x) -> a + x)) AS clicked_ages FROM t",
        tmp_path, t=f"{data.folder}/*.parquet",
    )
    ids, = lib.ask(f"SELECT count(*) AS n FROM t WHERE event_id IN ({', '.join(map(str, seen))})", tmp_path, t=f"{data.folder}/*.parquet")
    assert ids["n"] == data.rows
    for name in ("position", "clicked", "weight", "item_clicks_1d", "of_interest", "clicked_item_id", "clicked_ages"):
        assert sum(batch[name].sum().item() for batch in epochs[0]) == answer[name], name
    for name in ("clicked_item_id", "clicked_ages"):
        assert sum(batch[name + "_length"].sum().item() for batch in epochs[0]) == answer["lists"], name
