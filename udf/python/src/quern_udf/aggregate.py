"""Folds of aggregate functions. Nothing is kept between calls: the host has the states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .batches import array, batch_of
from .errors import RowErrors
from .function import Opened, Signature
from .sqltypes import Column


class Groups:
    """To which group each row of a batch belongs."""

    def __init__(self, ids: pa.Array, count: int):
        #: The number of each row's group, from 0, as a numpy array of int32.
        self.ids: np.ndarray[Any, Any] = ids.to_numpy(zero_copy_only=False)
        #: How many groups there are. Some may have no rows.
        self.count = count

    def __len__(self) -> int:
        return self.count

    def rows(self) -> list[np.ndarray[Any, Any]]:
        """The places of each group's rows, in their order."""
        order = np.argsort(self.ids, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.ids, minlength=self.count))[:-1])

    def sizes(self, column: pa.Array | None = None) -> np.ndarray[Any, Any]:
        """How many rows each group has; of a column, how many that are not NULL."""
        ids = self.ids if column is None or not column.null_count else self.ids[np.asarray(column.is_valid())]
        return np.bincount(ids, minlength=self.count)

    def sums(self, column: pa.Array) -> np.ndarray[Any, Any]:
        """The sum of each group's values that are not NULL, added in the order of the rows; integers stay integers."""
        ids = self.ids
        if column.null_count:
            ids, column = ids[np.asarray(column.is_valid())], column.drop_null()
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f":
            return np.bincount(ids, weights=values, minlength=self.count)
        out = np.zeros(self.count, dtype=np.int64)
        np.add.at(out, ids, values)
        return out


class Aggregate:
    """An opened aggregate function."""

    def __init__(self, opened: Opened, signature: Signature, by_row: bool):
        self.close = opened.close
        self.args: tuple[Column, ...] = signature.args
        self.returns: Column = signature.returns
        self.state: dict[str, Column] = dict(signature.state or {})
        self._fold = _ByRow(opened, self.args, self.state) if by_row else _Vector(opened)

    def fold(self, groups: Groups, rows: Sequence[pa.Array], merge: bool, finish: bool) -> pa.RecordBatch:
        """One row a group: its state, or its result."""
        step = self._fold.merge if merge else self._fold.update
        states = batch_of(step(groups, rows), self.state, "the state")
        if states.num_rows != groups.count:
            raise TypeError(f"the state has {states.num_rows} rows for {groups.count} groups")
        if not finish:
            return states
        result = array(self._fold.finish(states.columns), self.returns, "the result")
        if len(result) != groups.count:
            raise TypeError(f"the result has {len(result)} rows for {groups.count} groups")
        return batch_of([result], {"result": self.returns}, "the result")


class _Vector:
    """update(groups, x, …), merge(groups, state, …) and finish(state, …) with columns."""

    def __init__(self, opened: Opened):
        self._update, self._merge, self._finish = (opened.method(m) for m in ("update", "merge", "finish"))

    def update(self, groups: Groups, rows: Sequence[pa.Array]) -> Any:
        return self._update(groups, *rows)

    def merge(self, groups: Groups, rows: Sequence[pa.Array]) -> Any:
        return self._merge(groups, *rows)

    def finish(self, states: Sequence[pa.Array]) -> Any:
        return self._finish(*states)


class _ByRow:
    """init(), update(state, x, …), merge(state, behind) and finish(state) with single values: a state is a tuple of its columns'
    values, or the value of its one column."""

    def __init__(self, opened: Opened, args: Sequence[Column], state: dict[str, Column]):
        self._init, self._update, self._merge, self._finish = (opened.method(m) for m in ("init", "update", "merge", "finish"))
        self._strict = [i for i, c in enumerate(args) if not c.nullable]
        self._state = state

    def update(self, groups: Groups, rows: Sequence[pa.Array]) -> Any:
        def kept(values: tuple[Any, ...]) -> bool:
            return all(values[i] is not None for i in self._strict)

        return self._fold(groups, rows, lambda state, values: self._update(state, *values) if kept(values) else state)

    def merge(self, groups: Groups, rows: Sequence[pa.Array]) -> Any:
        return self._fold(groups, rows, lambda state, values: self._merge(state, values if len(self._state) > 1 else values[0]))

    def finish(self, states: Sequence[pa.Array]) -> Any:
        values = zip(*(s.to_pylist() for s in states))
        return [self._finish(v if len(states) > 1 else v[0]) for v in values]

    def _fold(self, groups: Groups, rows: Sequence[pa.Array], step: Callable[[Any, tuple[Any, ...]], Any]) -> Any:
        states = [self._init() for _ in range(groups.count)]
        for i, (group, values) in enumerate(zip(groups.ids.tolist(), zip(*(r.to_pylist() for r in rows)))):
            try:
                states[group] = step(states[group], values)
            except RowErrors as e:
                raise RowErrors({i: str(e)}) from e
        if len(self._state) == 1:
            return [pa.array(states, type=c.type.arrow) for c in self._state.values()]
        return [pa.array([s[i] for s in states], type=c.type.arrow) for i, c in enumerate(self._state.values())]
