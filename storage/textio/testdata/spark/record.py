#!/usr/bin/env python3
"""Records what Spark makes of the files in this folder, as spark.txt beside it: blocks of a file's name, the options as
JSON, the declared columns (or an empty line), then the schema and the rows, or "error".

    pip install pyspark      (4.3.0 was used, with Java 17)
    python3 record.py
"""
import itertools
import json
import logging
import os

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import SparkSession

HERE = os.path.dirname(os.path.abspath(__file__))


def options(**choices):
    """All combinations of choices; a choice that is None is left out."""
    for values in itertools.product(*choices.values()):
        yield {k: v for k, v in zip(choices, values) if v is not None}


def cases():
    """File, options, columns."""
    modes = [None, "DROPMALFORMED", "FAILFAST"]
    for o in options(header=["true", "false"], inferSchema=[None, "true"], quote=[None, "'", ""], escape=[None, '"'], multiLine=[None, "true"]):
        yield "quotes.csv", o, ""
    for o in options(header=["true"], mode=modes, multiLine=[None, "true"], ignoreLeadingWhiteSpace=[None, "true"], ignoreTrailingWhiteSpace=[None, "true"]):
        yield "ragged.csv", o, "a INT, b STRING, c DOUBLE, _corrupt_record STRING"
        yield "ragged.csv", o, "a INT, b STRING, c DOUBLE"
    for o in options(header=[None, "true"], inferSchema=["true"], comment=[None, "#", "a"], nullValue=[None, "-", "1"]):
        yield "ragged.csv", o, ""
    yield "ragged.csv", {"header": "true", "columnNameOfCorruptRecord": "b"}, "a INT, b STRING, c DOUBLE"
    for o in options(header=["true"], inferSchema=["true"], nullValue=[None, "NA", "x"], nanValue=[None, "NA"], positiveInf=[None, "oo"], negativeInf=[None, "-oo"]):
        yield "numbers.csv", o, ""
    for types in ["TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(5,2)", "DECIMAL(38,10)", "BOOLEAN", "STRING", "BINARY"]:
        yield "numbers.csv", {"header": "true", "mode": "PERMISSIVE"}, ", ".join(f"{c} {types}" for c in "abcdefg") + ", _corrupt_record STRING"
    for o in options(header=["true"], nullValue=[None, "-"], emptyValue=[None, "E"], sep=[";", ";;", "\\t", "|"]):
        yield "empty.csv", o, "a STRING, b STRING, c INT"
    for o in options(header=["true"], inferSchema=["true"], preferDate=[None, "false"], dateFormat=[None, "dd.MM.yyyy"], timestampFormat=[None, "yyyy/MM/dd HH:mm"], timeZone=[None, "America/New_York"]):
        yield "times.csv", o, ""
    for t in ["DATE", "TIMESTAMP", "TIMESTAMP_NTZ"]:
        for o in options(header=["true"], dateFormat=[None, "dd.MM.yyyy"], timestampFormat=[None, "yyyy/MM/dd HH:mm"], timestampNTZFormat=[None, "yyyy/MM/dd HH:mm"]):
            yield "times.csv", o, ", ".join(f"{c} {t}" for c in "abcde")
    for o in options(mode=modes, multiLine=[None, "true"], columnNameOfCorruptRecord=[None, "bad"]):
        yield "rows.jsonl", o, ""
        yield "rows.jsonl", o, "a BIGINT, b STRING, c STRUCT<d: DOUBLE, e: ARRAY<INT>>, _corrupt_record STRING"
        yield "rows.jsonl", o, "b STRING, a INT, m MAP<STRING, STRING>, bad STRING"
    for o in options(mode=modes, multiLine=["true"]):
        yield "array.json", o, ""
        yield "array.json", o, "a INT, b ARRAY<STRING>, _corrupt_record STRING"
    for o in options(mode=modes, multiLine=[None, "true"]):
        yield "arrays.jsonl", o, ""
        yield "arrays.jsonl", o, "a INT, b STRUCT<c: INT>, _corrupt_record STRING"
    for t in ["TINYINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "BOOLEAN", "STRING", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "ARRAY<STRING>", "MAP<STRING,STRING>", "STRUCT<x: INT>"]:
        yield "types.jsonl", {}, f"v {t}, _corrupt_record STRING"
    yield "types.jsonl", {}, ""
    for o in options(dateFormat=[None, "dd.MM.yyyy"], timestampFormat=[None, "yyyy/MM/dd HH:mm"], timeZone=[None, "Asia/Tokyo"]):
        yield "types.jsonl", o, "v TIMESTAMP, d DATE"


def run(spark, name, opts, ddl):
    reader = spark.read.options(**opts)
    if ddl:
        reader = reader.schema(ddl)
    path = os.path.join(HERE, name)
    try:
        frame = reader.csv(path) if name.endswith(".csv") else reader.json(path)
        schema = frame._jdf.schema().catalogString()
        # Spark refuses a query of raw text for nothing but the corrupt column, and reads only the columns that a query
        # needs: all of them are asked for.
        plan = frame._jdf.queryExecution().executedPlan()
        rows = spark._jvm.org.apache.spark.sql.execution.HiveResult.hiveResultString(plan)
        return [schema] + [rows.apply(i).replace("\n", "⏎").replace("\r", "␍") for i in range(rows.size())]
    except (CapturedException, Py4JJavaError):
        return ["error"]


def main():
    logging.disable(logging.CRITICAL)
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    with open(os.path.join(HERE, "spark.txt"), "w") as out:
        out.write("# What Spark reads from the files here; see record.py.\n")
        for name, opts, ddl in cases():
            lines = run(spark, name, opts, ddl)
            out.write("\n-- " + "\n".join([name, json.dumps(opts), ddl] + lines) + "\n")


main()
