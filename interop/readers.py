"""How each library reads the files of a dataset (docs/formats.md shows the same). All give a list of mappings."""

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json

ARROW = {
    "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    "boolean": pa.bool_(), "string": pa.string(), "binary": pa.binary(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}


def arrow_type(sql):
    """The Arrow type for one of a manifest's, such as array<struct<x:decimal(9,2)>>."""
    if sql in ARROW:
        return ARROW[sql]
    if sql.startswith("decimal("):
        return pa.decimal128(*map(int, sql[8:-1].split(",")))
    kind, inner = sql[:-1].split("<", 1)
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(inner + ","):
        depth += (c in "<(") - (c in ">)")
        if c == "," and depth == 0:
            parts.append(inner[begin:i])
            begin = i + 1
    if kind == "array":
        return pa.list_(arrow_type(parts[0]))
    if kind == "map":
        return pa.map_(arrow_type(parts[0]), arrow_type(parts[1]))
    return pa.struct([(name, arrow_type(t)) for name, t in (p.split(":", 1) for p in parts)])


def arrow_schema(data, without=()):
    return pa.schema([(c["name"], arrow_type(c["type"])) for c in data.manifest["schema"] if c["name"] not in without])


def folders(data):
    """The columns that are in the names of folders."""
    return data.manifest.get("partition_by", [])


def arrow(data):
    """A pyarrow table of a Parquet, Arrow or CSV dataset."""
    form = data.manifest["file_format"]
    by = folders(data)
    schema = arrow_schema(data)
    hive = pa.dataset.partitioning(pa.schema([schema.field(c) for c in by]), flavor="hive") if by else None
    if form == "json":
        # pyarrow's JSON reader has no maps, leaves binary in base64, and reads dates only as the timestamps that it takes them for.
        known = pa.schema([f for f in schema if not pa.types.is_date(f.type)])
        options = pa.json.ParseOptions(explicit_schema=known)
        return pa.concat_tables(pa.json.read_json(f, parse_options=options) for f in data.files).select(schema.names).cast(schema)
    if form == "csv":
        # An empty field is NULL, unless it is text in quotes.
        convert = pa.csv.ConvertOptions(column_types=arrow_schema(data, by), strings_can_be_null=True, quoted_strings_can_be_null=False)
        form = pa.dataset.CsvFileFormat(convert_options=convert)
    else:
        schema = None  # that of the files, which is what is looked at
    return pa.dataset.dataset(data.files, schema=schema, format=form, partitioning=hive, partition_base_dir=data.folder).to_table()


def polars(data):
    """A Polars frame of a dataset in any format."""
    form, by = data.manifest["file_format"], folders(data)
    schema = pl.from_arrow(arrow_schema(data).empty_table()).schema
    if form == "parquet":
        return pl.scan_parquet(data.files, hive_schema={c: schema[c] for c in by} or None).collect()
    if form == "arrow":
        return pl.scan_ipc(data.files).collect()
    if form == "csv":
        return pl.scan_csv(data.files, schema=schema).collect()
    # Polars' JSON reader has no decimals and no binary, and of integers only those of 32 and 64 bits.
    small = {c: t for c, t in schema.items() if t in (pl.Int8, pl.Int16)}
    return pl.scan_ndjson(data.files, schema=schema | {c: pl.Int32 for c in small}).cast(small).collect()


def spark(session, data):
    """A Spark frame of a dataset in any of the formats that Spark reads."""
    form = data.manifest["file_format"]
    reader = session.read.format(form).option("basePath", data.folder)
    ddl = ", ".join(f"{c['name']} {c['type']}" for c in data.manifest["schema"])
    if form == "csv":
        reader = reader.schema(ddl).option("header", True).option("escape", '"')
    elif form == "json" or folders(data):
        reader = reader.schema(ddl)
    return reader.load(data.files)


def duck(data):
    """A DuckDB relation over a dataset of Parquet files."""
    con = duckdb.connect(config={"threads": 2})
    con.execute("SET TimeZone = 'UTC'")
    types = {c["name"]: c["type"] for c in data.manifest["schema"] if c["name"] in folders(data)}
    hive = f", hive_partitioning = true, hive_types = {types}" if types else ""
    return con.sql(f"SELECT * FROM read_parquet({data.files}{hive})")
