import pyarrow as pa
import pytest

PLUGIN = '''
    import datetime, decimal
    from typing import Annotated
    import numpy as np
    import pyarrow as pa, pyarrow.compute as pc
    import quern_udf as q
    from quern_udf import BigInt, Double, Int, scalar

    @scalar
    def plus(a: BigInt, b: BigInt) -> BigInt:
        """Adds two numbers.

        More of it.
        """
        return pc.add(a, b)

    @scalar
    def root(x: float) -> float:
        if x < 0:
            raise q.RowError(f"{x} has no root")
        return x ** 0.5

    @scalar
    def sign(x: int | None) -> str | None:
        return None if x == 0 else "none" if x is None else "+" if x > 0 else "-"

    @scalar(skip_nulls=True)
    def doubled(x: Double) -> Double:
        a = x.to_numpy()             # would be refused with NULLs
        bad = np.flatnonzero(a == 13)
        if len(bad):
            raise q.RowErrors({int(i): "unlucky" for i in bad})
        return a * 2

    @scalar
    def inverse(x: BigInt) -> Double:
        return [1 / v for v in x.to_pylist()]

    @scalar
    def narrow(x: BigInt) -> Int:
        return x

    @scalar
    def short(x: BigInt) -> BigInt:
        return x.slice(1)

    @scalar
    def forgot(x: BigInt) -> BigInt:
        return pc.if_else(pc.equal(x, 2), None, x)

    @scalar(args=["bigint"] * 3, returns="bigint")
    def summed(*columns):
        return pc.add(pc.add(*columns[:2]), columns[2])

    @scalar
    def next_day(x: datetime.date) -> datetime.date:
        return x + datetime.timedelta(days=1)

    @scalar
    def next_microsecond(x: datetime.datetime) -> datetime.datetime:
        return x + datetime.timedelta(microseconds=1)

    @scalar
    def one_more(x: Annotated[decimal.Decimal, q.decimal(10, 2)]) -> Annotated[decimal.Decimal, q.decimal(10, 2)]:
        return x + 1

    @scalar
    def twice(x: bytes) -> bytes:
        return x * 2

    @scalar
    def negated(x: bool) -> bool:
        return not x

    @scalar(deterministic=False, name="anything")
    def named(x: Double) -> Double:
        return x
'''


def ints(*values):
    return pa.array(values, pa.int64())


def test_descriptions(host):
    f = host.describe()
    assert list(f["plus"].args) == ["bigint", "bigint"] and f["plus"].returns == "bigint"
    assert f["plus"].doc == "Adds two numbers." and not f["plus"].nullable and not f["plus"].nondeterministic
    assert f["sign"].nullable and f["one_more"].returns == "decimal(10,2)"
    assert f["anything"].nondeterministic


def test_columns(host):
    column, reply = host.call("plus", ints(1, None, 3), ints(10, 20, None))
    assert column.to_pylist() == [11, None, None]
    assert 0 < reply.report.busy_nanos < 10**10
    column, _ = host.call("summed", ints(1), ints(2), ints(3))
    assert column.to_pylist() == [6]
    column, _ = host.call("plus", ints(), ints())
    assert column.to_pylist() == [] and column.type == pa.int64()


def test_nulls_of_functions_by_row(host):
    column, _ = host.call("root", pa.array([4.0, None]))
    assert column.to_pylist() == [2.0, None]
    column, _ = host.call("sign", ints(5, None, -1, 0))
    assert column.to_pylist() == ["+", "none", "-", None]


def test_skipped_nulls(host):
    column, _ = host.call("doubled", pa.array([1.0, None, 3.0]))
    assert column.to_pylist() == [2.0, None, 6.0]


@pytest.mark.parametrize(
    "function, kind, raw, given, wanted",
    [
        ("next_day", pa.date32(), pa.int32(), [19000, None], [19001, None]),
        ("next_microsecond", pa.timestamp("us", tz="UTC"), pa.int64(), [1_000_000, None], [1_000_001, None]),
        ("negated", pa.bool_(), pa.bool_(), [True, False, None], [False, True, None]),
        ("twice", pa.binary(), pa.binary(), [b"ab", None], [b"abab", None]),
    ],
)
def test_values(host, function, kind, raw, given, wanted):
    column, _ = host.call(function, pa.array(given, raw).cast(kind))
    assert column.type == kind and column.cast(raw).to_pylist() == wanted


def test_decimals(host):
    column, _ = host.call("one_more", pa.array(["1.50"]).cast(pa.decimal128(10, 2)))
    assert [str(v) for v in column.to_pylist()] == ["2.50"]


def test_a_refused_row_ends_the_call(host):
    column, reply = host.call("root", pa.array([1.0, -4.0, -9.0]))
    assert column is None
    assert [(f.row, f.message, f.panicked) for f in reply.failures] == [(1, "-4.0 has no root", False)]


def test_every_row(host):
    column, reply = host.call("root", pa.array([1.0, -4.0, 9.0, -1.0]), every_row=True)
    assert column.to_pylist() == [1.0, None, 3.0, None]
    assert [f.row for f in reply.failures] == [1, 3]


def test_places_of_refused_rows_are_those_of_the_batch(host):
    values = pa.array([None, 13.0, None, 2.0, 13.0])
    column, reply = host.call("doubled", values, every_row=True)
    assert column.to_pylist() == [None, None, None, 4.0, None]
    assert [(f.row, f.message) for f in reply.failures] == [(1, "unlucky"), (4, "unlucky")]
    _, reply = host.call("doubled", values)
    assert [f.row for f in reply.failures] == [1]


def test_an_exception_is_placed(host):
    _, reply = host.call("inverse", ints(*[1] * 700, 0, 5))
    (failure,) = reply.failures
    assert failure.row == 700 and failure.panicked and failure.message == "ZeroDivisionError: division by zero"
    assert "in inverse" in failure.stack and "1 / v" in failure.stack
    column, reply = host.call("inverse", ints(1, 0, 2, 0), every_row=True)
    assert column.to_pylist() == [1.0, None, 0.5, None]
    assert [f.row for f in reply.failures] == [1, 3]


def test_results_are_checked(host):
    assert host.call("narrow", ints(7))[0].type == pa.int32()
    _, reply = host.call("narrow", ints(1, 1 << 40))
    assert reply.failures[0].row == 1 and "not in range" in reply.failures[0].message
    _, reply = host.call("short", ints(1, 2, 3))
    assert reply.failures[0].message == "TypeError: the result has 2 rows, not 3"
    _, reply = host.call("forgot", ints(1, 2, 3))
    assert reply.failures[0].row == 1 and "| None" in reply.failures[0].message
    assert host.call("forgot", ints(1, None))[0].to_pylist() == [1, None]
