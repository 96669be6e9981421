"""SQL types, and how annotations of Python name them."""

from __future__ import annotations

import datetime
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import pyarrow as pa


@dataclass(frozen=True)
class SqlType:
    """A SQL type, as SQL writes it in lower case: "bigint", "decimal(10,2)"."""

    name: str

    @property
    def arrow(self) -> pa.DataType:
        """The layout of the type's columns."""
        if self.name in _ARROW:
            return _ARROW[self.name]
        m = re.fullmatch(r"decimal\(([1-9][0-9]?),(0|[1-9][0-9]?)\)", self.name)
        if m and int(m[2]) <= int(m[1]) <= 38:
            return pa.decimal128(int(m[1]), int(m[2]))
        raise TypeError(f"{self.name!r} is no SQL type: there are {', '.join(_ARROW)} and decimal(P,S)")


_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def decimal(precision: int, scale: int) -> SqlType:
    """decimal(precision, scale), for an annotation: Annotated[pa.Array, decimal(10, 2)]."""
    return SqlType(f"decimal({precision},{scale})")


# Columns, for annotations: what a function gets is a pyarrow.Array of this type.
Boolean: TypeAlias = Annotated[pa.Array, SqlType("boolean")]
TinyInt: TypeAlias = Annotated[pa.Array, SqlType("tinyint")]
SmallInt: TypeAlias = Annotated[pa.Array, SqlType("smallint")]
Int: TypeAlias = Annotated[pa.Array, SqlType("int")]
BigInt: TypeAlias = Annotated[pa.Array, SqlType("bigint")]
Float: TypeAlias = Annotated[pa.Array, SqlType("float")]
Double: TypeAlias = Annotated[pa.Array, SqlType("double")]
String: TypeAlias = Annotated[pa.Array, SqlType("string")]
Binary: TypeAlias = Annotated[pa.Array, SqlType("binary")]
Date: TypeAlias = Annotated[pa.Array, SqlType("date")]
Timestamp: TypeAlias = Annotated[pa.Array, SqlType("timestamp")]

# Types of single values, of functions that are called row by row.
_VALUES: dict[Any, str] = {
    bool: "boolean",
    int: "bigint",
    float: "double",
    str: "string",
    bytes: "binary",
    datetime.date: "date",
    datetime.datetime: "timestamp",
}


@dataclass(frozen=True)
class Column:
    """A type, and whether there may be NULL."""

    type: SqlType
    nullable: bool = False
    by_row: bool = False  # a single value and not a whole column


def nullable(kind: Any) -> Column:
    """A column that may have NULL, where a type is written as a string: {"n": nullable("bigint")}."""
    return Column(column(kind).type, nullable=True)


def column(spec: Any) -> Column:
    """The column that "bigint", BigInt, BigInt | None, int, a SqlType or a Column means."""
    if isinstance(spec, Column):
        return spec
    if isinstance(spec, str):
        spec = SqlType(spec)
    if isinstance(spec, SqlType):
        spec.arrow  # refuses what is none
        return Column(spec)
    if typing.get_origin(spec) in (typing.Union, types.UnionType):
        rest = [a for a in typing.get_args(spec) if a is not type(None)]
        if len(rest) == 1 and len(rest) < len(typing.get_args(spec)):
            inner = column(rest[0])
            return Column(inner.type, nullable=True, by_row=inner.by_row)
    if typing.get_origin(spec) is Annotated:
        base, *notes = typing.get_args(spec)
        for note in notes:
            if isinstance(note, SqlType):
                note.arrow
                return Column(note, by_row=base is not pa.Array)
    if spec in _VALUES:
        return Column(SqlType(_VALUES[spec]), by_row=True)
    raise TypeError(f"{spec!r} is no type of a column: use Double, BigInt, String, …, or float, int, str, … for single values")


def columns(specs: Mapping[str, Any]) -> dict[str, Column]:
    """Named columns."""
    return {name: column(spec) for name, spec in specs.items()}
