"""Runs the query of compare.py once on a peer, and prints the seconds that it took without starting up, and the answer.

    peer.py duckdb|pandas_udf|mapInArrow FILE.parquet THREADS
"""

import os
import sys
import time

ENGINE, DATA, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])


def duckdb_run():
    import duckdb
    import pyarrow.compute as pc

    con = duckdb.connect(config={"threads": THREADS})
    con.create_function("twice", lambda v: pc.add(pc.multiply(v, 2), 1), ["BIGINT"], "BIGINT", type="arrow")
    start = time.perf_counter()
    answer = con.execute(f"SELECT sum(twice(v)) FROM read_parquet('{DATA}')").fetchone()[0]
    return time.perf_counter() - start, answer


def spark_run():
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import pandas_udf, sum as total

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (SparkSession.builder.master(f"local[{THREADS}]").config("spark.ui.enabled", "false")
               .config("spark.driver.memory", "4g").config("spark.log.level", "ERROR").getOrCreate())
    session.range(10).selectExpr("sum(id)").collect()  # starts what starts lazily
    table = session.read.parquet(DATA)

    @pandas_udf("bigint")
    def twice(v: pd.Series) -> pd.Series:
        return 2 * v + 1

    def batches(parts):
        for part in parts:
            yield pa.RecordBatch.from_arrays([pc.add(pc.multiply(part.column(0), 2), 1)], ["v"])

    start = time.perf_counter()
    if ENGINE == "pandas_udf":
        answer = table.select(total(twice("v"))).first()[0]
    else:
        answer = table.select("v").mapInArrow(batches, "v bigint").select(total("v")).first()[0]
    return time.perf_counter() - start, answer


seconds, answer = duckdb_run() if ENGINE == "duckdb" else spark_run()
print(seconds, answer)
