"""Calls of scalar functions: columns in, a column out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from . import plugin_pb2 as pb
from .batches import array
from .errors import RowErrors
from .function import Opened, Signature
from .sqltypes import Column

_STACK = 12  # lines of a traceback that are told: enough for the author's own frames


def panic(e: BaseException, row: int = -1, batch: int = 0) -> pb.Failure:
    """What is told of an exception that a function did not mean."""
    frames = traceback.format_tb(e.__traceback__)
    own = [f for f in frames if "/quern_udf/" not in f] or frames
    stack = "\n".join("".join(own).rstrip().split("\n")[-_STACK:])
    return pb.Failure(message=f"{type(e).__name__}: {e}", row=row, panicked=True, stack=stack, batch=batch)


class Scalar:
    """An opened scalar function."""

    def __init__(self, opened: Opened, signature: Signature, by_row: bool, skip_nulls: bool):
        self.close = opened.close
        self.args: tuple[Column, ...] = signature.args
        self.returns: Column = signature.returns
        f = opened.method()
        self._column: Callable[[Sequence[pa.Array], int], pa.Array] = self._rows(f) if by_row else self._vector(f, skip_nulls)

    def call(self, args: Sequence[pa.Array], rows: int, every_row: bool) -> tuple[pa.Array | None, list[pb.Failure]]:
        """The column of a batch, and what failed. Without every_row there is a column or one failure."""
        failures: list[pb.Failure] = []
        if every_row:
            column = self._every(args, np.arange(rows), failures)
            return column, sorted(failures, key=lambda f: f.row)
        try:
            return self._column(args, rows), []
        except RowErrors as e:
            row = min(e.rows, default=-1)
            return None, [pb.Failure(message=e.rows.get(row, str(e)), row=row if row < rows else -1)]
        except Exception as e:
            return None, [panic(e, self._where(args, rows))]

    def _every(self, args: Sequence[pa.Array], places: np.ndarray[Any, Any], failures: list[pb.Failure]) -> pa.Array:
        """The column, NULL where a row fails. places are where the rows are in the batch."""
        rows = len(places)
        try:
            return self._column(args, rows)
        except RowErrors as e:
            bad = [r for r in e.rows if 0 <= r < rows]
            if bad:
                failures += [pb.Failure(message=e.rows[r], row=int(places[r])) for r in bad]
                good = np.ones(rows, dtype=bool)
                good[bad] = False
                mask = pa.array(good)
                return _scatter(self._every([a.filter(mask) for a in args], places[good], failures), good)
            cause: Exception = e
        except Exception as e:
            cause = e
        if rows <= 1:
            failures.append(panic(cause, int(places[0]) if rows else -1))
            return pa.nulls(rows, self.returns.type.arrow)
        half = rows // 2
        first = self._every([a.slice(0, half) for a in args], places[:half], failures)
        return pa.concat_arrays([first, self._every([a.slice(half) for a in args], places[half:], failures)])

    def _where(self, args: Sequence[pa.Array], rows: int) -> int:
        """The first row at which a function over columns goes down, found by halving; -1 when it does not again."""
        low, high = 0, rows
        while high - low > 1:
            middle = (low + high) // 2
            if self._fails(args, low, middle):
                high = middle
            else:
                low = middle
        return low if rows and self._fails(args, low, high) else -1

    def _fails(self, args: Sequence[pa.Array], low: int, high: int) -> bool:
        try:
            self._column([a.slice(low, high - low) for a in args], high - low)
        except Exception:
            return True
        return False

    def _vector(self, f: Callable[..., Any], skip_nulls: bool) -> Callable[[Sequence[pa.Array], int], pa.Array]:
        def plain(args: Sequence[pa.Array], rows: int) -> pa.Array:
            column = array(f(*args), self.returns, "the result")
            if len(column) != rows:
                raise TypeError(f"the result has {len(column)} rows, not {rows}")
            return self._checked(column, args)

        def valid_only(args: Sequence[pa.Array], rows: int) -> pa.Array:
            if not any(a.null_count for a in args):
                return plain(args, rows)
            valid = _valid(args)
            mask, places = pa.array(valid), np.flatnonzero(valid)
            try:
                return _scatter(plain([a.filter(mask) for a in args], len(places)), valid)
            except RowErrors as e:
                raise RowErrors({int(places[r]): why for r, why in e.rows.items() if 0 <= r < len(places)}) from e

        return valid_only if skip_nulls else plain

    def _rows(self, f: Callable[..., Any]) -> Callable[[Sequence[pa.Array], int], pa.Array]:
        def column(args: Sequence[pa.Array], rows: int) -> pa.Array:
            strict = [a for a, c in zip(args, self.args) if not c.nullable and a.null_count]
            valid = _valid(strict) if strict else np.ones(rows, dtype=bool)
            out: list[Any] = [None] * rows
            for i, values in enumerate(zip(*(a.to_pylist() for a in args))) if args else enumerate([()] * rows):
                if valid[i]:
                    try:
                        out[i] = f(*values)
                    except RowErrors as e:
                        raise RowErrors({i: str(e)}) from e
            return self._checked(pa.array(out, type=self.returns.type.arrow), args)

        return column

    def _checked(self, column: pa.Array, args: Sequence[pa.Array]) -> pa.Array:
        """Refuses NULL from a function that is not declared so, where no argument explains it."""
        if column.null_count and not self.returns.nullable:
            unexplained = ~np.asarray(column.is_valid()) & (_valid(args) if args else True)
            if unexplained.any():
                raise TypeError(f"row {int(unexplained.argmax())} is NULL, and the result is not declared so: use … | None")
        return column


def _valid(args: Sequence[pa.Array]) -> np.ndarray[Any, Any]:
    """Which rows have no NULL."""
    valid: np.ndarray[Any, Any] = np.logical_and.reduce([np.asarray(a.is_valid()) for a in args])
    return valid


def _scatter(column: pa.Array, places: np.ndarray[Any, Any]) -> pa.Array:
    """A column with NULL in the other places."""
    at = np.cumsum(places) - 1
    return column.take(pa.array(at, mask=~places))
