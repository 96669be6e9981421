"""The workloads, for Quern as job files, for the peers as what their users would write for the same rows."""

FEATURES = [("n", "count(*)"), ("total", "sum(position)"), ("mean", "avg(position)"), ("deepest", "max(position)")]
WINDOWS = [("1h", 3600), ("1d", 86400), ("7d", 7 * 86400)]

QUERN = {
    "asof": """
  - name: out
    as_of_join:
      from: shown
      by: [item_id]
      time: event_time
      tables: [{from: features, time: feature_time, columns: [ctr, price]}]
""",
    "windows": """
  - name: out
    windows:
      from: shown
      by: [item_id]
      time: event_time
      preset: sql_range
      events: {from: shown, time: event_time}
      windows: [1h, 1d, 7d]
      features: {n: count(*), total: sum(position), mean: avg(position), deepest: max(position)}
""",
    "dedupe": """
  - name: out
    dedupe: {from: logged, keys: [event_id], order_by: [available_at]}
""",
    "sample": """
  - name: divided
    split: {from: shown, by: [user_id], shares: {train: 0.8, validation: 0.1, test: 0.1}}
  - name: sampled
    sample: {from: divided, key: [event_id], keep: position = 1, rate: 0.25}
  - name: out
    shuffle: {from: sampled, key: [event_id], seed: 1}
""",
}


# What a row's shard follows from: the columns that its step brings rows together by.
SHARDS = {"asof": "shards: 64, shard_by: [item_id]", "windows": "shards: 64, shard_by: [item_id]", "dedupe": "shards: 64, shard_by: [event_id]", "sample": "shards: 64"}


def job(workload, data, out):
    return f"""name: bench
sources:
  impressions: {data}/impressions
  features_source: {data}/item_features
steps:
  - name: shown
    sql: SELECT event_id, user_id, item_id, position, event_time FROM impressions
  - name: logged
    sql: SELECT event_id, request_id, user_id, item_id, position, event_time, available_at FROM impressions
  - name: features
    sql: SELECT item_id, feature_time, ctr, price FROM features_source
{QUERN[workload].strip(chr(10))}
outputs:
  - {{name: out, path: {out}, {SHARDS[workload]}}}
"""


def window_sql(order="event_time", partition="item_id", spark=False):
    columns = []
    for window, seconds in WINDOWS:
        bound = seconds if spark else f"INTERVAL {seconds} SECOND"
        frame = f"PARTITION BY {partition} ORDER BY {order} RANGE BETWEEN {bound} PRECEDING AND CURRENT ROW"
        columns += [f"{call} OVER ({frame}) AS {name}_{window}" for name, call in FEATURES]
    return ", ".join(columns)


DUCKDB = {
    "asof": "SELECT i.event_id, i.user_id, i.item_id, i.position, i.event_time, f.ctr, f.price"
    " FROM impressions i ASOF LEFT JOIN features f ON i.item_id = f.item_id AND i.event_time >= f.feature_time",
    "windows": f"SELECT event_id, user_id, item_id, position, event_time, {window_sql()} FROM impressions",
    # Faster than DISTINCT ON and than QUALIFY row_number() here.
    "dedupe": "SELECT unnest(arg_min(i, available_at)) FROM (SELECT event_id, request_id, user_id, item_id, position, event_time, available_at FROM impressions) i GROUP BY event_id",
    "sample": "SELECT * EXCLUDE (h), h % 64 AS shard FROM (SELECT event_id, user_id, item_id, position, event_time, hash(event_id, 1) AS h,"
    " CASE WHEN hash(user_id, 2) % 10 < 1 THEN 'test' WHEN hash(user_id, 2) % 10 < 2 THEN 'validation' ELSE 'train' END AS split,"
    " CASE WHEN position = 1 THEN 1 ELSE 0.25 END AS sample_rate, CASE WHEN position = 1 THEN 1 ELSE 4 END AS weight"
    " FROM impressions WHERE position = 1 OR hash(event_id, 3) % 4 = 0) ORDER BY h % 64, h",
}

SPARK = {
    # Spark 4 has no as-of join in SQL: both sides in one, and the last feature by a window.
    "asof": "SELECT event_id, user_id, item_id, position, event_time, f.ctr, f.price FROM ("
    "SELECT *, last(feature, true) OVER (PARTITION BY item_id ORDER BY event_time, side ROWS UNBOUNDED PRECEDING) AS f FROM ("
    "SELECT event_id, user_id, item_id, position, event_time, 1 AS side, CAST(NULL AS STRUCT<ctr: DOUBLE, price: DECIMAL(9,2)>) AS feature FROM impressions"
    " UNION ALL SELECT NULL, NULL, item_id, NULL, feature_time, 0, struct(ctr, price) FROM features)) WHERE side = 1",
    "windows": f"SELECT event_id, user_id, item_id, position, event_time, {window_sql('unix_seconds(event_time)', spark=True)} FROM impressions",
    "dedupe": "SELECT * EXCEPT (n) FROM (SELECT event_id, request_id, user_id, item_id, position, event_time, available_at,"
    " row_number() OVER (PARTITION BY event_id ORDER BY available_at) AS n FROM impressions) WHERE n = 1",
    "sample": "SELECT event_id, user_id, item_id, position, event_time, xxhash64(event_id, 1) AS h,"
    " CASE WHEN pmod(xxhash64(user_id, 2), 10) < 1 THEN 'test' WHEN pmod(xxhash64(user_id, 2), 10) < 2 THEN 'validation' ELSE 'train' END AS split,"
    " CASE WHEN position = 1 THEN 1 ELSE 0.25 END AS sample_rate, CASE WHEN position = 1 THEN 1 ELSE 4 END AS weight"
    " FROM impressions WHERE position = 1 OR pmod(xxhash64(event_id, 3), 4) = 0",
}
