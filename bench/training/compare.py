"""Times the making of training data on Quern and on its peers, side by side: as-of join, windows, deduplication, and
sample, split and shuffle to 64 shards, each from Parquet files to Parquet files.

    compare.py --quern bin/quern --data DIR [--runs 5] [--engines quern,duckdb,polars,spark] [--workloads asof,…]

Runs alternate. Quern's time is that of the whole command `quern run`; a peer's leaves out starting Python, the JVM and the
session. Before a table is printed, the rows written must be as many on all engines, and for the as-of join and the
windows the sums of the columns equal.
"""

import argparse
import glob
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import pyarrow.compute as pc
import pyarrow.dataset as ds

import jobs

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("--quern", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--out", default="/tmp/quern-bench-training")
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--memory", default="4GiB")
parser.add_argument("--engines", default="quern,duckdb,polars,spark")
parser.add_argument("--workloads", default="asof,windows,dedupe,sample")
args = parser.parse_args()
data, engines = os.path.abspath(args.data), args.engines.split(",")


def processor():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def quern(workload, out):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    path = os.path.join(args.out, "job.yaml")
    with open(path, "w") as f:
        f.write(jobs.job(workload, data, out))
    before, start = processor(), time.perf_counter()
    done = subprocess.run([args.quern, "run", path, "-q", "--slots", "2", "--memory", args.memory], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"quern, {workload}: {done.stderr}")
    rows = sum(s["rows"] for s in json.load(open(glob.glob(out + "/*/manifest.json")[0]))["shards"])
    return {"seconds": seconds, "rows": rows, "processor": processor() - before}


def peer(engine, workload, out):
    before = processor()
    done = subprocess.run([sys.executable, os.path.join(here, "peer.py"), engine, workload, data, out], capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else f"status {done.returncode}"}
    # Spark's JVM outlives its Python: what it used is not known here.
    used = math.nan if engine == "spark" else processor() - before
    return json.loads(done.stdout.splitlines()[-1]) | {"processor": used}


def sums(out):
    """What the columns add up to, to compare engines by."""
    table = ds.dataset([f for f in glob.glob(out + "/**/*.parquet", recursive=True)])
    found = {}
    for name in table.schema.names:
        if name.split("_")[0] in ("n", "total", "deepest", "price"):
            column = table.to_table(columns=[name])[name]
            found[name] = float(pc.sum(column).as_py())
    return found


os.makedirs(args.out, exist_ok=True)
print(f"{'workload':<10}{'engine':<10}{'median s':>10}{'min':>8}{'max':>8}{'processor s':>13}{'rows':>13}   times Quern's")
for workload in args.workloads.split(","):
    times = {e: [] for e in engines}
    errors, rows, totals = {}, {}, {}
    for run in range(args.runs):
        for engine in engines:
            if engine in errors:
                continue
            out = os.path.join(args.out, f"{workload}-{engine}")
            result = quern(workload, out) if engine == "quern" else peer(engine, workload, out)
            if "error" in result:
                errors[engine] = result["error"]
                continue
            times[engine].append((result["seconds"], result["processor"]))
            rows[engine] = result["rows"]
            if run == 0 and workload in ("asof", "windows"):
                totals[engine] = sums(out)
            shutil.rmtree(out, ignore_errors=True)
    if workload != "sample" and len(set(rows.values())) > 1:
        sys.exit(f"{workload}: the engines wrote {rows} rows")
    for engine, total in totals.items():
        for name, value in total.items():
            if not math.isclose(totals.get("quern", {}).get(name, value), value, rel_tol=1e-9):
                sys.exit(f"{workload}: {name} adds up to {value} on {engine}, and to {totals['quern'][name]} on Quern")
    base = statistics.median(s for s, _ in times["quern"]) if times.get("quern") else None
    for engine in engines:
        if engine in errors:
            print(f"{workload:<10}{engine:<10}   failed: {errors[engine]}")
            continue
        seconds = [s for s, _ in times[engine]]
        median = statistics.median(seconds)
        ratio = f"{median / base:.2f}" if base else ""
        print(f"{workload:<10}{engine:<10}{median:>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}{statistics.median(p for _, p in times[engine]):>13.1f}{rows[engine]:>13,}   {ratio}", flush=True)
