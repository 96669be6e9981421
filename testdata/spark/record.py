#!/usr/bin/env python3
"""Records what Spark answers to the statements of *.sql, as *.sql.out in the format of Spark's own golden files.

    pip install pyspark      (4.3.0 was used, with Java 17)
    python3 record.py        (all files, or those named)

Statements end with a semicolon at the end of a line. Each file has a session of its own: local mode, one core, ANSI on,
time zone America/Los_Angeles. Rows are sorted as text unless the statement orders them.
"""
import glob
import json
import logging
import os
import re
import sys

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import SparkSession

HERE = os.path.dirname(os.path.abspath(__file__))


def statements(text):
    """The statements of a file, comments on lines of their own left out."""
    lines = [line for line in text.split("\n") if not line.startswith("--")]
    for statement in re.split(r";[ \t]*(?:\n|\Z)", "\n".join(lines)):
        if statement.strip():
            yield statement.strip()


def is_sorted(spark, plan):
    """Spark's own rule: whether a plan's rows come in an order that the statement asked for."""
    name = plan.getClass().getSimpleName()
    if name in ("Join", "Aggregate", "Generate", "Sample", "Distinct"):
        return False
    if name == "Sort":
        return getattr(plan, "global")()  # a reserved word in Python
    children = plan.children()
    return any(is_sorted(spark, children.apply(i)) for i in range(children.size()))


def condition(error):
    """The class of an error; PySpark leaves some in the wrapping of the JVM's."""
    if isinstance(error, CapturedException):
        return error.getCondition() or "UNKNOWN"
    found = re.search(r"\[([A-Z_.]+)\]", str(error))
    return found.group(1) if found else "UNKNOWN"


def run(spark, statement):
    """The schema and output sections of a statement."""
    try:
        frame = spark.sql(statement)
        execution = frame._jdf.queryExecution()
        rows = spark._jvm.org.apache.spark.sql.execution.HiveResult.hiveResultString(execution.executedPlan())
        rows = [rows.apply(i) for i in range(rows.size())]
        if not is_sorted(spark, execution.analyzed()):
            rows.sort()
        return frame._jdf.schema().catalogString(), "\n".join(rows)
    except (CapturedException, Py4JJavaError) as e:
        error = {"errorClass": condition(e)}
        return "struct<>", "error\n" + json.dumps(error, indent=2, separators=(",", " : "))


def main():
    logging.disable(logging.CRITICAL)
    files = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "*.sql")))
    base = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/Los_Angeles")
        .config("spark.sql.warehouse.dir", "/tmp/quern-spark-warehouse")
        .getOrCreate()
    )
    base.sparkContext.setLogLevel("OFF")
    for path in files:
        spark = base.newSession()
        with open(path) as f:
            text = f.read()
        with open(path + ".out", "w") as out:
            for statement in statements(text):
                schema, output = run(spark, statement)
                out.write(f"-- !query\n{statement}\n-- !query schema\n{schema}\n-- !query output\n{output}\n\n\n")
        for schema in spark.catalog.listDatabases():
            if schema.name != "default":
                spark.sql(f"DROP DATABASE {schema.name} CASCADE")
        for table in spark.catalog.listTables("default"):
            if not table.isTemporary:
                spark.sql(f"DROP {'VIEW' if table.tableType == 'VIEW' else 'TABLE'} default.{table.name}")
        print(os.path.basename(path))


if __name__ == "__main__":
    main()
