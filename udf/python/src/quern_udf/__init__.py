"""Functions for Quern in Python.

    from quern_udf import Double, scalar
    import pyarrow.compute as pc

    @scalar
    def miles_to_km(miles: Double) -> Double:
        return pc.multiply(miles, 1.609344)

Decorators: scalar, table, aggregate, source. A class instead of a function is made once in a process, and may have open(ctx),
which loads what it needs, and close(). A parameter annotated with Context gets the options, side files, log and counters.
A classmethod bind(cls, ctx) checks options and files while a job is planned: it may raise Refuse, and return the Signature that
they make. RowError and RowErrors say which rows are wrong; any other exception is a fault of the function.
"""

from .aggregate import Groups
from .context import Context
from .decorators import aggregate, scalar, source, table
from .errors import Refuse, RowError, RowErrors
from .function import Signature
from .sqltypes import (
    BigInt,
    Binary,
    Boolean,
    Column,
    Date,
    Double,
    Float,
    Int,
    SmallInt,
    SqlType,
    String,
    Timestamp,
    TinyInt,
    decimal,
    nullable,
)
from .table import Task


def serve() -> None:
    """Serves the functions that have been decorated. A packed plugin does this itself."""
    from .server import serve as run

    run()


__all__ = [
    "BigInt", "Binary", "Boolean", "Column", "Context", "Date", "Double", "Float", "Groups", "Int", "Refuse", "RowError", "RowErrors",
    "Signature", "SmallInt", "SqlType", "String", "Task", "Timestamp", "TinyInt", "aggregate", "decimal", "nullable", "scalar", "serve",
    "source", "table",
]  # fmt: skip
