"""Memory that the host shares: it writes arguments there, and is written results. docs/plugin-protocol.md has the layout."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from . import plugin_pb2 as pb
from .batches import Damaged
from .sqltypes import Column

VARIABLE = "QUERN_PLUGIN_SHARED"
_ALIGN = 64


class SharedMemory:
    """The host's two files in memory."""

    def __init__(self, arguments: int, results: int):
        self._arguments = memoryview(mmap.mmap(arguments, 0, prot=mmap.PROT_READ))
        self._results = memoryview(mmap.mmap(results, 0))

    @classmethod
    def given(cls) -> SharedMemory | None:
        """What the environment names, if it does."""
        named = os.environ.get(VARIABLE)
        if not named:
            return None
        arguments, results = map(int, named.split(","))
        return cls(arguments, results)

    def read(self, batch: pb.SharedBatch, types: Sequence[Column]) -> pa.RecordBatch:
        """A copy of a batch: other batches come there once it is answered, and authors keep arrays."""
        if len(batch.columns) != len(types):
            raise Damaged(f"{len(batch.columns)} columns, not {len(types)}")
        made = []
        for shared, want in zip(batch.columns, types):
            buffers = [self._buffer(e) for e in shared.buffers]
            if not shared.nulls:
                buffers[0] = None
            try:
                made.append(pa.Array.from_buffers(want.type.arrow, batch.rows, buffers, shared.nulls))
            except (pa.ArrowInvalid, ValueError) as e:
                raise Damaged(str(e)) from e
        return pa.RecordBatch.from_arrays(made, [f"c{i}" for i in range(len(made))])

    def _buffer(self, e: pb.Extent) -> pa.Buffer | None:
        if e.offset + e.length > len(self._arguments):
            raise Damaged("a buffer outside of the shared memory")
        return pa.py_buffer(bytes(self._arguments[e.offset : e.offset + e.length]))

    def write(self, column: pa.Array, room: pb.Extent) -> pb.SharedBatch | None:
        """Writes a result into the room for it; nothing if it does not fit."""
        column = _plain(column)
        extents, at, end = [], room.offset, min(room.offset + room.length, len(self._results))
        for part in _buffers(column):
            if at + len(part) > end:
                return None
            self._results[at : at + len(part)] = part
            extents.append(pb.Extent(offset=at, length=len(part)) if len(part) else pb.Extent())
            at += -(-len(part) // _ALIGN) * _ALIGN
        return pb.SharedBatch(rows=len(column), columns=[pb.SharedColumn(nulls=column.null_count, buffers=extents)])


def _plain(column: pa.Array) -> pa.Array:
    """The column with buffers that begin with its first row."""
    texts = pa.types.is_string(column.type) or pa.types.is_binary(column.type)
    if column.offset or (texts and len(column) and _offsets(column)[0]):
        return column.take(pa.array(np.arange(len(column))))
    return column


def _offsets(column: pa.Array) -> memoryview:
    return memoryview(column.buffers()[1]).cast("B").cast("i")


def _buffers(column: pa.Array) -> list[memoryview]:
    """Validity, offsets of texts, values; of the lengths that the rows need."""
    rows, buffers = len(column), [memoryview(b or b"").cast("B") for b in column.buffers()]
    valid = buffers[0][: (rows + 7) // 8] if column.null_count else memoryview(b"")
    if len(buffers) == 2:
        return [valid, buffers[1][: (rows * column.type.bit_width + 7) // 8]]
    if not rows:
        return [valid, memoryview(bytes(4)), memoryview(b"")]
    return [valid, buffers[1][: 4 * (rows + 1)], buffers[2][: _offsets(column)[rows]]]
