"""Runs one workload once on a peer, and prints the seconds that it took and the rows that it wrote, without starting up.

    peer.py duckdb|polars|spark WORKLOAD DATA OUT
"""

import glob
import json
import os
import shutil
import sys
import time

import jobs

ENGINE, WORKLOAD, DATA, OUT = sys.argv[1:5]
THREADS = 2
os.environ["POLARS_MAX_THREADS"] = str(THREADS)


def rows():
    import pyarrow.parquet as pq

    files = glob.glob(OUT + "/**/*.parquet", recursive=True)
    return sum(pq.ParquetFile(f).metadata.num_rows for f in files)


def duckdb_run():
    import duckdb

    con = duckdb.connect(config={"threads": THREADS, "memory_limit": "4GB", "temp_directory": OUT + "-tmp", "preserve_insertion_order": False})
    con.execute(f"CREATE VIEW impressions AS FROM read_parquet('{DATA}/impressions/*/*.parquet', hive_partitioning = false)")
    con.execute(f"CREATE VIEW features AS FROM read_parquet('{DATA}/item_features/*/*.parquet', hive_partitioning = false)")
    options = "FORMAT parquet, COMPRESSION zstd"
    target = f"{OUT}/out.parquet"
    if WORKLOAD == "sample":
        options, target = options + ", PARTITION_BY (shard)", OUT
    start = time.perf_counter()
    con.execute(f"COPY ({jobs.DUCKDB[WORKLOAD]}) TO '{target}' ({options})")
    return time.perf_counter() - start


def polars_run():
    import polars as pl

    impressions = pl.scan_parquet(f"{DATA}/impressions/*/*.parquet", hive_partitioning=False)
    features = pl.scan_parquet(f"{DATA}/item_features/*/*.parquet", hive_partitioning=False)
    shown = impressions.select("event_id", "user_id", "item_id", "position", "event_time")
    start = time.perf_counter()
    if WORKLOAD == "asof":
        right = features.select("item_id", "feature_time", "ctr", "price").sort("feature_time")
        out = shown.sort("event_time").join_asof(right, left_on="event_time", right_on="feature_time", by="item_id", coalesce=True)
    elif WORKLOAD == "windows":
        position = pl.col("position").cast(pl.Int64)
        columns = []
        for window, _ in jobs.WINDOWS:
            by = dict(by="event_time", window_size=window, closed="both")
            columns += [
                position.is_not_null().cast(pl.Int64).rolling_sum_by(**by).over("item_id").alias(f"n_{window}"),
                position.rolling_sum_by(**by).over("item_id").alias(f"total_{window}"),
                position.rolling_mean_by(**by).over("item_id").alias(f"mean_{window}"),
                position.rolling_max_by(**by).over("item_id").alias(f"deepest_{window}"),
            ]
        out = shown.sort("event_time").with_columns(columns)
    elif WORKLOAD == "dedupe":
        columns = ["event_id", "request_id", "user_id", "item_id", "position", "event_time", "available_at"]
        out = impressions.select(columns).sort("available_at").unique("event_id", keep="first")
    else:
        h = pl.col("event_id").hash(1)
        u = pl.col("user_id").hash(2) % 10
        first = pl.col("position") == 1
        out = (
            shown.filter(first | (pl.col("event_id").hash(3) % 4 == 0))
            .with_columns(
                pl.when(u < 1).then(pl.lit("test")).when(u < 2).then(pl.lit("validation")).otherwise(pl.lit("train")).alias("split"),
                pl.when(first).then(1.0).otherwise(0.25).alias("sample_rate"),
                pl.when(first).then(1.0).otherwise(4.0).alias("weight"),
                h.alias("h"),
            )
            .sort("h")
        )
    os.makedirs(OUT, exist_ok=True)
    if WORKLOAD == "sample":
        frame = out.collect(engine="streaming")
        n = frame.height
        for i in range(64):
            frame.slice(i * n // 64, (i + 1) * n // 64 - i * n // 64).drop("h").write_parquet(f"{OUT}/part-{i}.parquet", compression="zstd")
    else:
        out.sink_parquet(f"{OUT}/out.parquet", compression="zstd", engine="streaming")
    return time.perf_counter() - start


def spark_run():
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{THREADS}]")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.shuffle.partitions", "16")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.local.dir", OUT + "-tmp")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.read.parquet(f"{DATA}/impressions").drop("day").createOrReplaceTempView("impressions")
    spark.read.parquet(f"{DATA}/item_features").drop("day").createOrReplaceTempView("features")
    spark.sql("SELECT count(*) FROM features").collect()  # the JVM has started, and read a file
    start = time.perf_counter()
    text = jobs.SPARK[WORKLOAD]
    frame = spark.sql(text)
    if WORKLOAD == "sample":
        frame = frame.repartitionByRange(64, "h").sortWithinPartitions("h").drop("h")
    frame.write.mode("overwrite").parquet(OUT)
    return time.perf_counter() - start


shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
seconds = {"duckdb": duckdb_run, "polars": polars_run, "spark": spark_run}[ENGINE]()
print(json.dumps({"seconds": seconds, "rows": rows()}))
shutil.rmtree(OUT + "-tmp", ignore_errors=True)
