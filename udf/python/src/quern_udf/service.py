"""The service quern.udf.v1.Plugin: docs/plugin-protocol.md says what is meant by its calls."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import grpc
import pyarrow as pa

from . import plugin_pb2 as pb
from .aggregate import Aggregate, Groups
from .batches import Damaged, decode, encode, parts
from .context import Context
from .errors import Refuse, RowErrors
from .function import Function, Instance, Signature
from .scalar import Scalar, panic
from .shared import SharedMemory
from .sqltypes import Column, SqlType
from .table import Input, Source, Table

MOST_TASKS = 10_000
_AHEAD = 4  # replies of a stream that wait to be sent


class Opened:
    """An instance. The lock is held while the author's code runs: it need not be safe for several threads."""

    def __init__(self, function: Function, ctx: Context, signature: Signature, instance: Instance):
        self.function, self.ctx, self.signature, self.instance = function, ctx, signature, instance
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While a call is in the author's code, whose time is told."""
        with self.lock:
            begun = time.perf_counter_ns()
            try:
                yield
            finally:
                self.ctx.told.worked(time.perf_counter_ns() - begun)


class Service:
    """Answers the host."""

    def __init__(self, functions: Sequence[Function], library_version: str, shared: SharedMemory | None = None):
        self._shared = shared
        self._functions = {f.name: f for f in functions}
        self._describe = pb.DescribeReply(
            functions=[f.describe() for f in functions],
            library="quern-udf for Python",
            library_version=library_version,
            shared_memory=shared is not None,
        )
        self._lock = threading.Lock()  # guards the following
        self._instances: dict[int, Opened] = {}

    def handler(self) -> grpc.GenericRpcHandler:
        """The service for a gRPC server."""
        unary, out, both = (
            grpc.unary_unary_rpc_method_handler,
            grpc.unary_stream_rpc_method_handler,
            grpc.stream_stream_rpc_method_handler,
        )
        calls: list[tuple[str, Any, Any, Any]] = [
            ("Describe", unary, self.describe, pb.DescribeRequest),
            ("Bind", unary, self.bind, pb.BindRequest),
            ("Open", unary, self.open, pb.OpenRequest),
            ("Call", unary, self.call, pb.CallRequest),
            ("Fold", unary, self.fold, pb.FoldRequest),
            ("Table", both, self.table, pb.TableRequest),
            ("Split", unary, self.split, pb.SplitRequest),
            ("Read", out, self.read, pb.ReadRequest),
            ("Close", unary, self.close, pb.CloseRequest),
        ]
        return grpc.method_handlers_generic_handler(
            "quern.udf.v1.Plugin",
            {name: kind(f, request.FromString, lambda reply: reply.SerializeToString()) for name, kind, f, request in calls},
        )

    def describe(self, _: pb.DescribeRequest, __: grpc.ServicerContext) -> pb.DescribeReply:
        return self._describe

    def bind(self, req: pb.BindRequest, rpc: grpc.ServicerContext) -> pb.BindReply:
        f = self._function(req.function, rpc)
        try:
            _, signature = f.bind(req.options, _paths(req.files))
        except Exception as e:
            return pb.BindReply(refusal=_refusal(e))
        return pb.BindReply(function=f.describe(signature))

    def open(self, req: pb.OpenRequest, rpc: grpc.ServicerContext) -> pb.OpenReply:
        f = self._function(req.function, rpc)
        try:
            ctx, signature, instance = f.open(req.options, _paths(req.files))
        except Exception as e:
            return pb.OpenReply(refusal=_refusal(e))
        with self._lock:
            used = req.instance in self._instances
            if not used:
                self._instances[req.instance] = Opened(f, ctx, signature, instance)
        if used:
            rpc.abort(grpc.StatusCode.ALREADY_EXISTS, f"instance {req.instance} is open")
        return pb.OpenReply(function=f.describe(signature), report=ctx.told.take())

    def close(self, req: pb.CloseRequest, _: grpc.ServicerContext) -> pb.CloseReply:
        with self._lock:
            opened = self._instances.pop(req.instance, None)
        if opened is None:
            return pb.CloseReply()
        with opened.lock:
            try:
                opened.instance.close()
            except Exception as e:
                opened.ctx.log.error("close: %s", e)
        return pb.CloseReply(report=opened.ctx.told.take())

    def call(self, req: pb.CallRequest, rpc: grpc.ServicerContext) -> pb.CallReply:
        opened, scalar = self._opened(req.instance, Scalar, rpc)
        batch = self._arguments(req, scalar.args, rpc)
        with opened.working():
            column, failures = scalar.call(batch.columns, batch.num_rows, req.every_row)
        reply = pb.CallReply(failures=failures, report=opened.ctx.told.take())
        if column is None:
            return reply
        written = self._shared.write(column, req.room) if self._shared and req.HasField("room") else None
        if written is not None:
            reply.shared_column.CopyFrom(written)
        else:
            reply.column.CopyFrom(_encoded(pa.RecordBatch.from_arrays([column], ["result"]), rpc))
        return reply

    def _arguments(self, req: pb.CallRequest, types: Sequence[Column], rpc: grpc.ServicerContext) -> pa.RecordBatch:
        if not req.HasField("shared_args"):
            return _decoded(req.args, types, rpc)
        try:
            if self._shared is None:
                raise Damaged("arguments in memory that this process has not")
            return self._shared.read(req.shared_args, types)
        except Damaged as e:
            _abort(rpc, str(e))

    def fold(self, req: pb.FoldRequest, rpc: grpc.ServicerContext) -> pb.FoldReply:
        opened, aggregate = self._opened(req.instance, Aggregate, rpc)
        merge = req.step == pb.STEP_MERGE
        types = list(aggregate.state.values()) if merge else list(aggregate.args)
        batch = _decoded(req.rows, [Column(SqlType("int")), *types], rpc)
        out, failures = None, []
        with opened.working():
            try:
                out = aggregate.fold(Groups(batch.column(0), req.groups), batch.columns[1:], merge, req.finish)
            except RowErrors as e:
                row = min(e.rows, default=-1)
                failures = [pb.Failure(message=e.rows.get(row, str(e)), row=row)]
            except Exception as e:
                failures = [panic(e)]
        reply = pb.FoldReply(failures=failures, report=opened.ctx.told.take())
        if out is not None:
            reply.groups.CopyFrom(_encoded(out, rpc))
        return reply

    def table(self, requests: Iterator[pb.TableRequest], rpc: grpc.ServicerContext) -> Iterator[pb.TableReply]:
        opened, table = self._opened(next(requests).instance, Table, rpc)
        return _Stream(opened, table, requests, rpc).replies()

    def split(self, req: pb.SplitRequest, rpc: grpc.ServicerContext) -> pb.SplitReply:
        opened, source = self._opened(req.instance, Source, rpc)
        with opened.lock:
            try:
                tasks = source.split()
                if len(tasks) > MOST_TASKS:
                    raise ValueError(f"{len(tasks)} tasks; make at most {MOST_TASKS}")
            except Exception as e:
                return pb.SplitReply(failures=[panic(e)], report=opened.ctx.told.take())
        return pb.SplitReply(tasks=tasks, report=opened.ctx.told.take())

    def read(self, req: pb.ReadRequest, rpc: grpc.ServicerContext) -> Iterator[pb.ReadReply]:
        opened, source = self._opened(req.instance, Source, rpc)
        if any(c >= len(source.output) for c in req.columns):
            rpc.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no column {max(req.columns)}")
        batches = source.read(req.payload, req.columns)
        while True:
            with opened.working():
                try:
                    batch = next(batches, None)
                except Exception as e:
                    yield pb.ReadReply(failures=[panic(e)], report=opened.ctx.told.take())
                    return
            if batch is None:
                break
            for payload in parts(batch):
                yield pb.ReadReply(rows=payload)
        yield pb.ReadReply(report=opened.ctx.told.take())

    def _function(self, name: str, rpc: grpc.ServicerContext) -> Function:
        if name not in self._functions:
            rpc.abort(grpc.StatusCode.NOT_FOUND, f"the plugin has no function {name!r}")
        return self._functions[name]

    def _opened(self, number: int, kind: type, rpc: grpc.ServicerContext) -> tuple[Opened, Any]:
        with self._lock:
            opened = self._instances.get(number)
        if opened is None:
            _abort(rpc, f"instance {number} is not open", grpc.StatusCode.NOT_FOUND)
        if not isinstance(opened.instance, kind):
            rpc.abort(
                grpc.StatusCode.FAILED_PRECONDITION, f"function {opened.function.name} is no {kind.__name__.lower()} function"
            )
        return opened, opened.instance


class _Stopped(BaseException):
    """Nobody waits for the answer any more; of no concern to the author's except clauses."""


class _Stream:
    """One Table call. The author's code runs in a thread of its own, so that the host hears how far it has read while it has
    nothing to give."""

    def __init__(self, opened: Opened, table: Table, requests: Iterator[pb.TableRequest], rpc: grpc.ServicerContext):
        self._opened, self._table, self._requests, self._rpc = opened, table, requests, rpc
        self._queue: queue.Queue[pb.TableReply | Damaged | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._read = 0

    def replies(self) -> Iterator[pb.TableReply]:
        self._rpc.add_callback(self._stop.set)
        threading.Thread(target=self._work, daemon=True).start()
        while not self._stop.is_set():
            try:
                reply = self._queue.get(timeout=1)
            except queue.Empty:
                continue
            if reply is None:
                return
            if isinstance(reply, Damaged):
                _abort(self._rpc, str(reply))
            yield reply

    def _work(self) -> None:
        last: pb.TableReply | Damaged | None = None
        with self._opened.lock:
            try:
                self._table.run(self._batches(), self._send)
                last = pb.TableReply(done=self._read, report=self._opened.ctx.told.take())
            except (_Stopped, grpc.RpcError):
                pass
            except Damaged as e:
                last = e
            except Exception as e:
                last = pb.TableReply(failures=[self._failure(e)], report=self._opened.ctx.told.take())
        for reply in (last, None):
            try:
                self._put(reply)
            except _Stopped:
                return

    def _failure(self, e: Exception) -> pb.Failure:
        batch = max(self._read, 1) - 1
        return pb.Failure(message=str(e), row=-1, batch=batch) if isinstance(e, RowErrors) else panic(e, batch=batch)

    def _batches(self) -> Iterator[Input]:
        """The batches of the requests. Waiting for one lets other calls have the function."""
        types = list(self._table.input.values())
        while True:
            self._opened.lock.release()
            try:
                req = next(self._requests, None)
            finally:
                self._opened.lock.acquire()
            if req is None:
                return
            rows = decode(req.rows)
            if wrong := _mismatch(rows, types):
                raise Damaged(wrong)
            self._read += 1
            if self._opened.function.per != "batch":
                self._send(None, done=self._read)
            yield Input(rows, req.groups)

    def _send(self, batch: pa.RecordBatch | None, done: int = 0, failures: Sequence[pb.Failure] = ()) -> None:
        report = self._opened.ctx.told.take()
        if batch is None:
            self._put(pb.TableReply(done=done, failures=failures, report=report))
            return
        for payload in parts(batch):
            self._put(pb.TableReply(rows=payload, report=report))
            report = None

    def _put(self, reply: pb.TableReply | Damaged | None) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(reply, timeout=1)
            except queue.Full:
                continue
        raise _Stopped


def _paths(files: Sequence[pb.SideFile]) -> dict[str, str]:
    return {f.name: f.path for f in files}


def _refusal(e: Exception) -> pb.Refusal:
    if isinstance(e, Refuse):
        return pb.Refusal(message=str(e), option=e.option, file=e.file)
    traceback.print_exc(file=sys.stderr)
    return pb.Refusal(message=f"{type(e).__name__}: {e}")


def _mismatch(batch: pa.RecordBatch, types: Sequence[Column]) -> str:
    got = [str(c.type) for c in batch.columns]
    want = [str(c.type.arrow) for c in types]
    return "" if got == want else f"columns of {', '.join(got)}, not {', '.join(want)}"


def _decoded(payload: pb.Payload, types: Sequence[Column], rpc: grpc.ServicerContext) -> pa.RecordBatch:
    try:
        batch = decode(payload)
    except Damaged as e:
        _abort(rpc, str(e))
    if wrong := _mismatch(batch, types):
        _abort(rpc, wrong)
    return batch


def _encoded(batch: pa.RecordBatch, rpc: grpc.ServicerContext) -> pb.Payload:
    try:
        return encode(batch)
    except OverflowError as e:
        _abort(rpc, f"result: {e}", grpc.StatusCode.INTERNAL)


def _abort(rpc: grpc.ServicerContext, text: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> NoReturn:
    rpc.abort(code, text)
    raise AssertionError("abort raises")
