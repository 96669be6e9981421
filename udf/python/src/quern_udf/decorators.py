"""The decorators that make functions of a plugin. What they decorate stays what it is, and can be called in tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from . import plugin_pb2 as pb
from .aggregate import Aggregate, Groups
from .function import Body, Function, Signature, file_specs
from .scalar import Scalar
from .sqltypes import Column, column
from .table import Source, Table

F = TypeVar("F", bound=Callable[..., Any])

#: All functions that have been decorated, which is what serve() serves.
registered: list[Function] = []


def _register(f: Function) -> None:
    if any(r.name == f.name for r in registered):
        raise TypeError(f"two functions named {f.name}")
    registered.append(f)


@overload
def scalar(body: F, /) -> F: ...


@overload
def scalar(
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    returns: Any = None,
    by_row: bool | None = None,
    skip_nulls: bool = False,
    deterministic: bool = True,
    options: type | None = None,
    files: Mapping[str, str] | None = None,
) -> Callable[[F], F]: ...


def scalar(
    body: Any = None,
    /,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    returns: Any = None,
    by_row: bool | None = None,
    skip_nulls: bool = False,
    deterministic: bool = True,
    options: type | None = None,
    files: Mapping[str, str] | None = None,
) -> Any:
    """One row in, one value out.

    Annotations say what the function gets: Double, BigInt, String, … a column, as a pyarrow.Array, and the function gives a column
    of as many rows; float, int, str, … single values, and it is called row by row, which is several times slower. args and returns say the types
    instead. "| None" says that there may be NULL: a row with NULL elsewhere is NULL without a call, of functions by row and with
    skip_nulls also of functions over columns, which else get the NULLs.

    A class is made and opened once in a process, and called: see the package's description. options is a dataclass, files
    are {"name": "what it is"}, with "?" behind names that may be left out.
    """

    def decorate(what: Any) -> Any:
        b = Body(what)
        *params, (_, result) = b.parameters()
        types = [c for _, c in params] if args is None else list(args)
        if args is not None and len(types) != len(params) and not _variadic(b):
            raise TypeError(f"{b.name}: {len(params)} parameters for {len(types)} types")
        named = [column(_annotated(b, t)) for t in types]
        gives = column(_annotated(b, result if returns is None else returns))
        rows = _by_row(b, [*named, gives]) if by_row is None else by_row
        if not named and not rows:
            raise TypeError(f"{b.name}: a function over columns needs an argument, to know how many rows there are")
        _register(
            Function(
                pb.FUNCTION_KIND_SCALAR,
                b,
                name or b.name,
                Signature(args=named, returns=gives),
                lambda opened, s: Scalar(opened, s, rows, skip_nulls),
                b.doc,
                deterministic=deterministic,
                takes=options,
                files=file_specs(files),
            )
        )
        return what

    return decorate if body is None else decorate(body)


def table(
    *,
    input: Mapping[str, Any],
    output: Mapping[str, Any],
    per: str = "batch",
    name: str | None = None,
    deterministic: bool = True,
    options: type | None = None,
    files: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Rows in, any rows out. input and output are columns: {"text": "string", "n": BigInt | None}.

    per="batch": called with a pyarrow.RecordBatch, cut anywhere; what it gives for a row depends on that row alone. per="partition":
    called once with an iterator of the batches of a partition. per="group": called with a pyarrow.Table of the rows of one key.
    It gives a batch, a table, a dict of columns, or yields them.
    """

    def decorate(what: F) -> F:
        b = Body(what)
        _register(
            Function(
                pb.FUNCTION_KIND_TABLE,
                b,
                name or b.name,
                Signature(input=input, output=output),
                lambda opened, s: Table(opened, s, per),
                b.doc,
                per=per,
                deterministic=deterministic,
                takes=options,
                files=file_specs(files),
            )
        )
        return what

    return decorate


def aggregate(
    *,
    state: Mapping[str, Any],
    returns: Any = None,
    args: Sequence[Any] | None = None,
    name: str | None = None,
    deterministic: bool = True,
    options: type | None = None,
    files: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Many rows in, one value out: a class with update, merge and finish. state are the columns of what is known of a group.

    Over columns: update(groups: Groups, x: Double, …) and merge(groups: Groups, …) give the state's columns, one row a group, of the
    rows that they are given alone; finish(…) makes the results of them. By row, with single values: init() gives the state of no rows,
    update(state, x: float, …) and merge(state, behind) the next state, finish(state) the result; a state is a tuple, or the
    value itself where it has one column. Merging has to give what folding all rows in order gives.
    """

    def decorate(what: F) -> F:
        b = Body(what)
        if not inspect.isclass(what):
            raise TypeError(f"{b.name}: an aggregate function is a class with update, merge and finish")
        first = b.parameters("update")[0][1]
        rows = first is not Groups
        params = b.parameters("update", skip=1)[:-1]
        named = [column(_annotated(b, t)) for t in ([c for _, c in params] if args is None else args)]
        gives = column(_annotated(b, b.parameters("finish")[-1][1] if returns is None else returns))
        for method in ("update", "merge", "finish", *(["init"] if rows else [])):
            b.method(method)
        _register(
            Function(
                pb.FUNCTION_KIND_AGGREGATE,
                b,
                name or b.name,
                Signature(args=named, returns=gives, state=state),
                lambda opened, s: Aggregate(opened, s, rows),
                b.doc,
                deterministic=deterministic,
                takes=options,
                files=file_specs(files),
            )
        )
        return what

    return decorate


def source(
    *,
    output: Mapping[str, Any],
    name: str | None = None,
    deterministic: bool = True,
    options: type | None = None,
    files: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Rows out of nothing but options: a class with read(task: bytes, columns: list[str]), which gives batches with at least these
    columns, and split(), which gives the tasks, each some bytes or a Task. Without split() there is one."""

    def decorate(what: F) -> F:
        b = Body(what)
        if not inspect.isclass(what):
            raise TypeError(f"{b.name}: a source function is a class with read, and split if there is more than one task")
        b.method("read")
        _register(
            Function(
                pb.FUNCTION_KIND_SOURCE,
                b,
                name or b.name,
                Signature(output=output),
                Source,
                b.doc,
                deterministic=deterministic,
                takes=options,
                files=file_specs(files),
            )
        )
        return what

    return decorate


def _annotated(b: Body, spec: Any) -> Any:
    if spec is None:
        raise TypeError(f"{b.name}: annotate all parameters and the result with types, or say args and returns")
    return spec


def _by_row(b: Body, cols: Sequence[Column]) -> bool:
    kinds = {c.by_row for c in cols}
    if len(kinds) > 1:
        raise TypeError(f"{b.name}: columns (Double, String, …) and single values (float, str, …) do not mix")
    return kinds.pop()


def _variadic(b: Body) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(b.method("__call__")).parameters.values())
