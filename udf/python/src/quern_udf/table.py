"""Table functions: batches in, any batches out; and source functions, which have batches out of nothing but options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from . import plugin_pb2 as pb
from .batches import batch_of
from .errors import RowErrors
from .function import Opened, Signature
from .sqltypes import Column


@dataclass
class Input:
    """A batch of a Table call, and where in it groups begin."""

    rows: pa.RecordBatch
    starts: Sequence[int]


class Table:
    """An opened table function."""

    def __init__(self, opened: Opened, signature: Signature, per: str):
        self.close = opened.close
        self.input: dict[str, Column] = dict(signature.input or {})
        self._output: dict[str, Column] = dict(signature.output or {})
        self._f = opened.method()
        self.run: Callable[[Iterator[Input], Callable[..., None]], None] = {
            "batch": self._batches,
            "partition": self._partition,
            "group": self._groups,
        }[per]

    def _batches(self, batches: Iterator[Input], send: Callable[..., None]) -> None:
        for number, b in enumerate(batches):
            failures: list[pb.Failure] = []
            for out in self._batch(b.rows, np.arange(b.rows.num_rows), number, failures):
                send(out)
            send(None, done=number + 1, failures=sorted(failures, key=lambda f: f.row))

    def _batch(
        self, rows: pa.RecordBatch, places: np.ndarray[Any, Any], number: int, failures: list[pb.Failure]
    ) -> list[pa.RecordBatch]:
        """What the function gives for rows of one batch, without those that it refuses."""
        try:
            return list(self._made(self._f(rows)))
        except RowErrors as e:
            bad = [r for r in e.rows if 0 <= r < rows.num_rows]
            if not bad:
                raise
            failures += [pb.Failure(message=e.rows[r], row=int(places[r]), batch=number) for r in bad]
            good = np.ones(rows.num_rows, dtype=bool)
            good[bad] = False
            return self._batch(rows.filter(pa.array(good)), places[good], number, failures) if good.any() else []

    def _partition(self, batches: Iterator[Input], send: Callable[..., None]) -> None:
        for out in self._made(self._f(b.rows for b in batches)):
            send(out)
        for _ in batches:  # what the function left unread
            pass

    def _groups(self, batches: Iterator[Input], send: Callable[..., None]) -> None:
        group: list[pa.RecordBatch] = []
        for b in batches:
            bounds = [0, *b.starts, b.rows.num_rows]
            for i, (low, high) in enumerate(zip(bounds, bounds[1:])):
                if i > 0 and group:
                    self._group(group, send)
                    group = []
                if high > low:
                    group.append(b.rows.slice(low, high - low))
        if group:
            self._group(group, send)

    def _group(self, group: list[pa.RecordBatch], send: Callable[..., None]) -> None:
        for out in self._made(self._f(pa.Table.from_batches(group))):
            send(out)

    def _made(self, value: Any) -> Iterator[pa.RecordBatch]:
        return made(value, self._output)


def made(value: Any, output: dict[str, Column]) -> Iterator[pa.RecordBatch]:
    """The batches that a function gives: one, a table, a dict of columns, an iterable of these, or None."""
    if value is None:
        return
    if isinstance(value, (pa.RecordBatch, pa.Table, dict)):
        value = (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"the function gave a {type(value).__name__}, not batches")
    for v in value:
        batch = batch_of(v, output, "a batch of the result")
        if batch.num_rows:
            yield batch


@dataclass(frozen=True)
class Task:
    """A part of a source's rows: whatever tells read() what to make, and about how much that is."""

    payload: bytes
    rows: int = 0
    bytes: int = 0


class Source:
    """An opened source function."""

    def __init__(self, opened: Opened, signature: Signature):
        self.close = opened.close
        self.output: dict[str, Column] = dict(signature.output or {})
        self._split = opened.method("split") if hasattr(opened.made, "split") else None
        self._read = opened.method("read")

    def split(self) -> list[pb.SourceTask]:
        """The tasks; one, without a payload, where there is no split()."""
        tasks = [Task(b"")] if self._split is None else [t if isinstance(t, Task) else Task(t) for t in self._split()]
        return [pb.SourceTask(payload=t.payload, rows=t.rows, bytes=t.bytes) for t in tasks]

    def read(self, payload: bytes, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """The wanted columns of a task's rows."""
        names = list(self.output)
        output = {names[i]: self.output[names[i]] for i in wanted}
        for batch in made(self._read(payload, list(output)), output if output else self.output):
            yield batch if output else batch.select([])
