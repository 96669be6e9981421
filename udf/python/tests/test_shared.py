"""Batches in shared memory: what is written there reads as the same column."""

import os

import pyarrow as pa
import pytest

from quern_udf import plugin_pb2 as pb
from quern_udf.batches import Damaged
from quern_udf.shared import SharedMemory
from quern_udf.sqltypes import column

SIZE = 1 << 16


@pytest.fixture
def both():
    """Memory in which what is written is what is read."""
    fd = os.memfd_create("shared")
    os.truncate(fd, SIZE)
    yield SharedMemory(fd, fd)
    os.close(fd)


@pytest.mark.parametrize(
    "kind, values",
    [
        ("bigint", [1, None, 3, 1 << 40]),
        ("tinyint", [1, 2, 3]),
        ("boolean", [True, None, False, True, True, False, None, True, True]),
        ("double", [0.5, None]),
        ("string", ["a", None, "", "βγ"]),
        ("binary", [b"", b"xyz"]),
        ("decimal(10,2)", [None, 1]),
        ("date", [None, None]),
        ("timestamp", [1_000_000]),
        ("string", []),
        ("bigint", []),
    ],
)
def test_columns(both, kind, values):
    c = column(kind)
    whole = pa.array(values, c.type.arrow)
    for made in (whole, pa.concat_arrays([whole, whole]).slice(len(whole)), whole.slice(1)):
        batch = both.write(made, pb.Extent(offset=4096, length=8192))
        assert all(e.offset % 64 == 0 for e in batch.columns[0].buffers)
        got = both.read(batch, [c]).column(0)
        got.validate(full=True)
        assert got.equals(made) and got.type == c.type.arrow


def test_what_is_read_stays(both):
    first = both.read(both.write(pa.array([1, 2]), pb.Extent(length=SIZE)), [column("bigint")])
    both.write(pa.array([3, 4]), pb.Extent(length=SIZE))
    assert first.column(0).to_pylist() == [1, 2]


def test_room(both):
    numbers = pa.array(range(100))
    assert both.write(numbers, pb.Extent(offset=64, length=799)) is None
    assert both.write(numbers, pb.Extent(offset=64, length=800)) is not None
    assert both.write(numbers, pb.Extent(offset=SIZE - 64, length=800)) is None


def test_what_does_not_fit_the_memory_is_refused(both):
    batch = both.write(pa.array([1]), pb.Extent(length=SIZE))
    batch.columns[0].buffers[1].offset = SIZE
    with pytest.raises(Damaged, match="outside"):
        both.read(batch, [column("bigint")])
    with pytest.raises(Damaged, match="0 columns, not 1"):
        both.read(pb.SharedBatch(rows=1), [column("bigint")])
