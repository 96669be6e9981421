"""Table, aggregate and source functions; options, files, logs and counters."""

import json
import threading

import grpc
import pyarrow as pa
import pytest

from quern_udf import plugin_pb2 as pb
from quern_udf.batches import decode

PLUGIN = '''
    import json
    import numpy as np
    from dataclasses import dataclass, field
    from typing import Iterator, Literal
    import pyarrow as pa, pyarrow.compute as pc
    from quern_udf import *

    @table(input={"text": "string"}, output={"word": "string", "at": "bigint"})
    def words(rows: pa.RecordBatch, ctx: Context):
        ctx.count("batches")
        out = {"word": [], "at": []}
        for i, text in enumerate(rows.column("text").to_pylist()):
            if text == "bad":
                raise RowError("no words", row=i)
            for at, word in enumerate(text.split()):
                out["word"].append(word)
                out["at"].append(at)
        return out

    @table(input={"x": BigInt}, output={"total": BigInt, "rows": BigInt}, per="partition")
    def totals(batches: Iterator[pa.RecordBatch]):
        total = rows = 0
        for b in batches:
            total += pc.sum(b.column("x")).as_py() or 0
            rows += b.num_rows
        yield pa.RecordBatch.from_pydict({"total": [total], "rows": [rows]})

    @table(input={"x": BigInt}, output={"first": BigInt}, per="partition")
    def first(batches):
        return next(batches).slice(0, 1).rename_columns(["first"])

    @table(input={"x": BigInt}, output={"lowest": BigInt, "highest": BigInt}, per="group")
    def extent(rows: pa.Table):
        m = pc.min_max(rows.column("x")).as_py()
        return {"lowest": [m["min"]], "highest": [m["max"]]}

    @table(input={"x": BigInt}, output={"x": BigInt})
    def broken(rows):
        return {"y": rows.column("x")}

    @aggregate(state={"total": "double", "n": "bigint"})
    class MeanOf:
        """The mean."""
        def update(self, groups: Groups, x: Double):
            return groups.sums(x), groups.sizes(x)
        def merge(self, groups: Groups, total: Double, n: BigInt):
            return groups.sums(total), groups.sums(n)
        def finish(self, total: Double, n: BigInt) -> Double | None:
            return pc.if_else(pc.equal(n, 0), None, pc.divide(total, pc.cast(n, pa.float64())))

    @aggregate(state={"s": "string"})
    class Joined:
        def open(self, ctx: Context):
            self.by = ","
        def init(self):
            return ""
        def update(self, s, x: str):
            if x == "bad":
                raise RowError("bad text")
            return x if not s else s + self.by + x
        def merge(self, a, b):
            return a + (self.by if a and b else "") + b
        def finish(self, s) -> str:
            return f"[{s}]"

    @dataclass
    class Range:
        to: int = field(metadata={"doc": "where it ends"})
        by: int = 1
        way: Literal["up", "down"] = "up"
        def __post_init__(self):
            if self.by < 1:
                raise ValueError("by must be positive")

    @source(output={"n": "bigint", "square": "bigint"}, options=Range)
    class Numbers:
        def open(self, ctx: Context):
            self.o = ctx.options
        def split(self):
            yield Task(b"even", rows=self.o.to // 2)
            yield b"odd"
        def read(self, task: bytes, columns: list[str]):
            n = pa.array(np.arange(0 if task == b"even" else 1, self.o.to, 2))
            yield {"n": n, "square": pc.multiply(n, n)}

    @dataclass
    class Times:
        factor: float = 2.0

    @scalar(options=Times, files={"offsets": "a JSON list", "more?": "not needed"})
    class Scaled:
        @classmethod
        def bind(cls, ctx: Context):
            if ctx.options.factor == 0:
                raise Refuse("a factor of nothing", option="/factor")
            if ctx.options.factor == 3:
                return Signature(returns=nullable("double"))
        def open(self, ctx: Context):
            self.offset = sum(json.load(open(ctx.files["offsets"])))
            self.factor = ctx.options.factor
            ctx.log.info("opened", extra={"offset": self.offset})
        def __call__(self, x: Double, ctx: Context) -> Double:
            ctx.count("rows", len(x))
            return pc.add(pc.multiply(x, self.factor), self.offset)
        def close(self):
            print("closed")
'''


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def strings(*values):
    return pa.array(values, pa.string())


def test_table_per_batch(host):
    rows, replies = host.table("words", [batch(text=["a b", "", "c"]), batch(text=["d"])])
    assert rows == [{"word": w, "at": i} for w, i in [("a", 0), ("b", 1), ("c", 0), ("d", 0)]]
    assert replies[-1].done == 2
    assert sum(r.report.counters["batches"] for r in replies) == 2


def test_table_refuses_rows(host):
    rows, replies = host.table("words", [batch(text=["a"]), batch(text=["b", "bad", "c", "bad"])])
    assert [r["word"] for r in rows] == ["a", "b", "c"]
    failures = [f for r in replies for f in r.failures]
    assert [(f.batch, f.row, f.message) for f in failures] == [(1, 1, "no words"), (1, 3, "no words")]


def test_table_per_partition(host):
    batches = [batch(x=list(range(i * 10, i * 10 + 10))) for i in range(20)]
    rows, replies = host.table("totals", batches)
    assert rows == [{"total": 199 * 100, "rows": 200}] and replies[-1].done == 20
    assert [r.done for r in replies if not r.HasField("rows")][:3] == [1, 2, 3]  # told while there is nothing to give
    rows, replies = host.table("first", batches)
    assert rows == [{"first": 0}] and replies[-1].done == 20
    rows, _ = host.table("totals", [])
    assert rows == [{"total": 0, "rows": 0}]


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_table_per_group(host, cut):
    groups = [[3, 1, 2], [5], [4, 9], [7]]
    values = [v for g in groups for v in g]
    begins = [sum(map(len, groups[:i])) for i in range(len(groups))]
    batches = [batch(x=values[i : i + cut]) for i in range(0, len(values), cut)]
    starts = [[b - i for b in begins if i <= b < i + cut] for i in range(0, len(values), cut)]
    rows, _ = host.table("extent", batches, starts)
    assert [(r["lowest"], r["highest"]) for r in rows] == [(1, 3), (5, 5), (4, 9), (7, 7)]


def test_table_failure_ends_the_call(host):
    rows, replies = host.table("broken", [batch(x=[1]), batch(x=[2])])
    (failure,) = replies[-1].failures
    assert rows == [] and failure.row == -1 and failure.panicked and "has no column x; it has y" in failure.message


def test_a_table_call_that_is_given_up_leaves_the_function_usable(host):
    instance = host.open("totals")
    hold = threading.Event()

    def requests():
        yield pb.TableRequest(instance=instance)
        hold.wait(20)

    method = host.channel.stream_stream("/quern.udf.v1.Plugin/Table", lambda m: m.SerializeToString(), pb.TableReply.FromString)
    call = method(requests())
    call.cancel()
    hold.set()
    rows, _ = host.table("totals", [batch(x=[1])])
    assert rows == [{"total": 1, "rows": 1}]


VALUES = [1.0, None, 3.0, 10.0, 5.0, 2.0]
IDS = [0, 0, 0, 2, 0, 2]


@pytest.mark.parametrize("at", range(len(IDS) + 1))
def test_aggregate_over_columns(host, at):
    i = host.open("mean_of")
    column = pa.array(VALUES)
    whole, _ = host.fold(i, IDS, 4, column, finish=True)
    assert whole.column(0).to_pylist() == [3.0, None, 6.0, None]
    halves = [host.fold(i, IDS[p], 4, column.slice(p.start, p.stop - p.start))[0] for p in (slice(0, at), slice(at, len(IDS)))]
    assert halves[0].schema.names == ["total", "n"]
    states = pa.concat_batches(halves)
    merged, _ = host.fold(i, [0, 1, 2, 3] * 2, 4, *states.columns, step=pb.STEP_MERGE, finish=True)
    assert merged.column(0).equals(whole.column(0))


def test_aggregate_by_row(host):
    i = host.open("joined")
    a, _ = host.fold(i, [0, 1, 0], 2, strings("x", "y", "z"))
    b, _ = host.fold(i, [1, 0], 2, strings("v", None))
    states = pa.concat_batches([a, b])
    out, _ = host.fold(i, [0, 1, 0, 1], 2, *states.columns, step=pb.STEP_MERGE, finish=True)
    assert out.column(0).to_pylist() == ["[x,z]", "[y,v]"]
    out, reply = host.fold(i, [0, 0], 1, strings("good", "bad"))
    assert out is None and (reply.failures[0].row, reply.failures[0].message) == (1, "bad text")


def test_source(host):
    i = host.open("numbers", '{"to": 5}')
    tasks = host.unary("Split", pb.SplitRequest(instance=i), pb.SplitReply).tasks
    assert [(t.payload, t.rows) for t in tasks] == [(b"even", 2), (b"odd", 0)]
    (rows,), _ = host.read(i, b"odd", [0, 1])
    assert rows.to_pydict() == {"n": [1, 3], "square": [1, 9]}
    (rows,), _ = host.read(i, b"even", [1])
    assert rows.to_pydict() == {"square": [0, 4, 16]}
    (rows,), _ = host.read(i, b"even", [])
    assert rows.num_rows == 3 and rows.num_columns == 0


@pytest.mark.parametrize(
    "options, at, message",
    [
        ("{}", "", "option to is missing"),
        ('{"to": "x"}', "/to", 'option to: "x" is no integer'),
        ('{"to": 1.5}', "/to", "option to: 1.5 is no integer"),
        ('{"to": true}', "/to", "option to: true is no integer"),
        ('{"to": 1, "step": 2}', "/step", "the function has no option 'step'; there are to, by, way"),
        ('{"to": 1, "by": 0}', "", "options: by must be positive"),
        ('{"to": 1, "way": "left"}', "/way", 'option way: "left" is none of "up", "down"'),
        ("[]", "", "options: not a JSON object"),
        ("{", "", "options: Expecting property name"),
    ],
)
def test_options_are_checked(host, options, at, message):
    no = host.bind("numbers", options).refusal
    assert no.option == at and no.message.startswith(message)


def test_options_schema(host):
    schema = json.loads(host.describe()["numbers"].options_schema)
    assert schema["required"] == ["to"] and schema["additionalProperties"] is False
    assert schema["properties"]["to"] == {"type": "integer", "description": "where it ends"}
    assert schema["properties"]["way"] == {"enum": ["up", "down"], "default": "up"}


def test_files_logs_counters_and_the_end(host, tmp_path):
    (tmp_path / "offsets.json").write_text("[1, 2]")
    files = [pb.SideFile(name="offsets", path=str(tmp_path / "offsets.json"))]
    assert host.bind("scaled").refusal.file == "offsets"
    assert host.bind("scaled", files=[*files, pb.SideFile(name="x", path="/")]).refusal.file == "x"
    assert host.bind("scaled", '{"factor": 0}', files).refusal.option == "/factor"
    assert not host.bind("scaled", '{"factor": 2}', files).function.nullable
    assert host.bind("scaled", '{"factor": 3}', files).function.nullable
    reply = host.unary(
        "Open", pb.OpenRequest(instance=900, function="scaled", options='{"factor": 3}', files=files), pb.OpenReply
    )
    (log,) = reply.report.logs
    assert (log.level, log.message, json.loads(log.attributes)) == (0, "opened", {"offset": 3})
    column, reply = host.call("scaled", pa.array([1.0, 2.0]), instance=900)
    assert column.to_pylist() == [6.0, 9.0] and reply.report.counters["rows"] == 2
    host.unary("Close", pb.CloseRequest(instance=900), pb.CloseReply)
    assert "closed" in host.stderr()


def test_what_should_not_happen_is_refused(host):
    damaged = pb.Payload(arrow=b"x", crc32c=1)

    def refused(call, request, reply):
        with pytest.raises(grpc.RpcError) as e:
            host.unary(call, request, reply)
        return e.value

    wrong_kind = refused("Call", pb.CallRequest(instance=host.open("joined"), args=damaged), pb.CallReply)
    assert wrong_kind.code() == grpc.StatusCode.FAILED_PRECONDITION
    bad = refused("Fold", pb.FoldRequest(instance=host.open("joined"), rows=damaged), pb.FoldReply)
    assert bad.code() == grpc.StatusCode.INVALID_ARGUMENT and "checksum" in bad.details()
    unknown = refused("Split", pb.SplitRequest(instance=12345), pb.SplitReply)
    assert unknown.code() == grpc.StatusCode.NOT_FOUND
    nameless = refused("Open", pb.OpenRequest(instance=12345, function="nothing"), pb.OpenReply)
    assert nameless.code() == grpc.StatusCode.NOT_FOUND


def test_large_results_are_cut(host):
    i = host.open("numbers", '{"to": 20000000}')
    batches, replies = host.read(i, b"even", [0, 1])
    assert sum(b.num_rows for b in batches) == 10_000_000 and len(batches) > 2
    assert decode(replies[0].rows).column(0)[1].as_py() == 2
