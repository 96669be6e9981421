"""Times a trivial scalar function on many rows: Quern's built-in expression, a plugin in Go, one in Python, an Arrow function of
DuckDB's in Python, and PySpark's pandas_udf and mapInArrow, side by side.

    compare.py --quern bin/quern --data FILE.parquet [--rows 50000000] [--runs 5] [--slots 2] [--engines …]

The query is sum(twice(v)) with twice(v) = 2 v + 1, over a file of one bigint column, which is made first if it is not there. Runs
alternate. Quern's time is that of the whole command; a peer's leaves out starting Python, the JVM and the session. All answers
must be equal.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("--quern", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--rows", type=int, default=50_000_000)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--slots", type=int, default=2)
parser.add_argument("--engines", default="built in,Go plugin,Python plugin,duckdb,pandas_udf,mapInArrow")
args = parser.parse_args()
data, folder = os.path.abspath(args.data), os.path.dirname(os.path.abspath(args.data))

PLUGINS = {
    "Go plugin": f"plugin: {here}/plugin",
    "Python plugin": f"plugin: {here}/python, python: {sys.prefix}",
}


def make():
    """Writes the file: a bigint in an order that nothing can be made of."""
    statement = f"SELECT (id * 7919) % 1000003 AS v FROM range({args.rows})"
    done = [args.quern, "sql", statement, "--format", "parquet", "--out", data]
    subprocess.run(done, check=True)


def quern(engine):
    expression, functions = "twice(v)", f"functions: {{twice: {{{PLUGINS.get(engine)}}}}}\n"
    if engine == "built in":
        expression, functions = "2 * v + 1", ""
    path = os.path.join(folder, "job.yaml")
    with open(path, "w") as f:
        f.write(f"name: bench\nsources: {{t: {{path: {data}}}}}\n{functions}"
                f"steps: [{{name: a, sql: 'SELECT sum({expression}) AS s FROM t'}}]\n"
                f"outputs: [{{name: a, format: csv, path: {folder}/out}}]\n")
    start = time.perf_counter()
    done = subprocess.run([args.quern, "run", path, "-q", "--slots", str(args.slots)], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{engine}: {done.stderr}")
    version = open(f"{folder}/out/_LATEST").read().strip()
    manifest = json.load(open(f"{folder}/out/{version}/manifest.json"))
    return seconds, int(open(f"{folder}/out/{version}/{manifest['shards'][0]['key']}").read())


def peer(engine):
    done = subprocess.run([sys.executable, os.path.join(here, "peer.py"), engine, data, str(args.slots)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{engine}: {done.stderr}")
    seconds, answer = done.stdout.split()[-2:]
    return float(seconds), int(answer)


if not os.path.exists(data):
    os.makedirs(folder, exist_ok=True)
    make()
engines = args.engines.split(",")
seconds, answers = {e: [] for e in engines}, set()
for run in range(args.runs + 1):
    for e in engines:
        took, answer = quern(e) if e == "built in" or e in PLUGINS else peer(e)
        answers.add(answer)
        if run > 0:  # the first warms up
            seconds[e].append(took)
if len(answers) != 1:
    sys.exit(f"the answers differ: {answers}")
base = statistics.median(seconds[engines[0]])
print(f"{args.rows:,} rows, median of {args.runs}, sum {answers.pop()}\n")
print(f"| {'':14} | seconds | Mrows/s | ns a row beyond {engines[0]} |\n|---|---|---|---|")
for e in engines:
    s = statistics.median(seconds[e])
    print(f"| {e:14} | {s:.2f} | {args.rows / s / 1e6:.1f} | {(s - base) / args.rows * 1e9:.1f} |")
