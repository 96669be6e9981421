"""Arrow batches as they travel, and what functions return made into columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import google_crc32c
import pyarrow as pa

from . import plugin_pb2 as pb
from .sqltypes import Column

MAX_PAYLOAD = 64 << 20
MAX_MESSAGE = MAX_PAYLOAD + (1 << 20)


class Damaged(Exception):
    """A payload that is not what was sent."""


def decode(payload: pb.Payload) -> pa.RecordBatch:
    """The batch of a payload. Its columns share the payload's memory."""
    data = payload.arrow
    if google_crc32c.value(data) != payload.crc32c:
        raise Damaged("checksum of the payload is wrong")
    try:
        return pa.ipc.open_stream(pa.py_buffer(data)).read_next_batch()
    except (pa.ArrowInvalid, StopIteration, OSError) as e:
        raise Damaged(f"payload: {e}") from e


def encode(batch: pa.RecordBatch) -> pb.Payload:
    """A payload with a batch; raises OverflowError for one that is too large."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = sink.getvalue().to_pybytes()
    if len(data) > MAX_PAYLOAD:
        raise OverflowError(f"a batch of {len(data)} bytes: a message can be {MAX_PAYLOAD >> 20} MiB")
    return pb.Payload(arrow=data, crc32c=google_crc32c.value(data))


def parts(batch: pa.RecordBatch) -> Iterator[pb.Payload]:
    """Payloads with a batch, cut in halves until each fits a message."""
    if batch.num_rows < 2 or batch.nbytes < MAX_PAYLOAD - (1 << 20):  # what is around the columns is less
        yield encode(batch)
    else:
        half = batch.num_rows // 2
        yield from parts(batch.slice(0, half))
        yield from parts(batch.slice(half))


def array(value: Any, column: Column, what: str) -> pa.Array:
    """What a function returned as a column: a pyarrow, numpy or pandas array or a list. Another type is cast if that loses nothing."""
    want = column.type.arrow
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    if not isinstance(value, pa.Array):
        if isinstance(value, (str, bytes)) or not (hasattr(value, "__len__") or hasattr(value, "__arrow_array__")):
            raise TypeError(f"{what} is a {type(value).__name__}, not a column")
        try:
            value = pa.array(value, type=want)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            value = pa.array(value)
        if isinstance(value, pa.ChunkedArray):
            value = value.combine_chunks()
    if value.type == want:
        return value
    try:
        return value.cast(want)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise TypeError(f"{what} is of type {value.type}, not {column.type.name}: {e}") from e


def batch_of(value: Any, columns: Mapping[str, Column], what: str) -> pa.RecordBatch:
    """What a function returned as a batch of these columns: a batch, a table, a mapping of columns, or columns in order."""
    if isinstance(value, pa.Table):
        value = value.combine_chunks()
        value = {name: value.column(name) for name in value.column_names}
    if isinstance(value, pa.RecordBatch):
        value = {name: value.column(name) for name in value.schema.names}
    if isinstance(value, Mapping):
        missing = [name for name in columns if name not in value]
        if missing:
            raise TypeError(f"{what} has no column {', '.join(missing)}; it has {', '.join(map(str, value))}")
        value = [value[name] for name in columns]
    elif len(columns) == 1 and (not isinstance(value, (tuple, list)) or len(value) != 1):
        value = [value]
    if not isinstance(value, Sequence) or len(value) != len(columns):
        raise TypeError(f"{what} is a {type(value).__name__}, not a batch of {len(columns)} columns")
    made = [array(v, c, f"column {name} of {what}") for v, (name, c) in zip(value, columns.items())]
    if len({len(a) for a in made}) > 1:
        raise TypeError(f"{what} has columns of {', '.join(str(len(a)) for a in made)} rows")
    for a, (name, c) in zip(made, columns.items()):
        if a.null_count and not c.nullable:
            raise TypeError(f"column {name} of {what} has NULL, and is not declared so: make it nullable")
    return pa.RecordBatch.from_arrays(made, schema=schema(columns))


def schema(columns: Mapping[str, Column]) -> pa.Schema:
    """The columns as an Arrow schema."""
    return pa.schema([pa.field(name, c.type.arrow) for name, c in columns.items()])
