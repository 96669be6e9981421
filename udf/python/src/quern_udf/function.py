"""Functions as they are declared, and as they are opened with options and files."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import options
from . import plugin_pb2 as pb
from .context import Context
from .errors import Refuse
from .sqltypes import Column, column, columns

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PER = {"batch": pb.PER_BATCH, "partition": pb.PER_PARTITION, "group": pb.PER_GROUP}


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives. A bind() method returns one with the parts that its options change."""

    args: Any = None
    returns: Any = None
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None

    def read(self) -> Signature:
        """The same with Columns in all places."""
        return Signature(
            args=None if self.args is None else tuple(map(column, self.args)),
            returns=None if self.returns is None else column(self.returns),
            **{name: None if (v := getattr(self, name)) is None else columns(v) for name in ("input", "output", "state")},
        )

    def changed(self, by: Signature | None) -> Signature:
        """The same but for what another one has."""
        if by is None:
            return self
        return dataclasses.replace(self, **{k: v for k, v in vars(by.read()).items() if v is not None})


class Instance(typing.Protocol):
    """An opened function. What it can do depends on its kind."""

    def close(self) -> None: ...


@dataclass
class Body:
    """The author's function, or class."""

    what: Any

    @property
    def name(self) -> str:
        name: str = self.what.__name__
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() if inspect.isclass(self.what) else name

    @property
    def doc(self) -> str:
        text = inspect.getdoc(self.what) or ""
        return text.split("\n\n")[0].replace("\n", " ")

    def method(self, name: str) -> Callable[..., Any]:
        """A method of the class, or the function itself."""
        if not inspect.isclass(self.what):
            return typing.cast(Callable[..., Any], self.what)
        found = getattr(self.what, name, None)
        if found is None:
            raise TypeError(f"class {self.what.__name__} has no method {name}")
        return typing.cast(Callable[..., Any], found)

    def parameters(self, name: str = "__call__", skip: int = 0) -> list[tuple[str, Any]]:
        """Names and annotations of the parameters of a method that are no Context, and of the result as "return"."""
        f = self.method(name)
        hints = typing.get_type_hints(f, include_extras=True)
        names = [p.name for p in inspect.signature(f).parameters.values()]
        names = names[1:] if inspect.isclass(self.what) else names
        found = [(n, hints.get(n)) for n in names if hints.get(n) is not Context][skip:]
        return [*found, ("return", hints.get("return"))]

    def open(self, ctx: Context) -> Opened:
        if not inspect.isclass(self.what):
            return Opened(self.what, ctx)
        made = self.what()
        if hasattr(made, "open"):
            made.open(ctx)
        return Opened(made, ctx)


@dataclass
class Opened:
    """The author's function or object, with its context."""

    made: Any
    ctx: Context

    def method(self, name: str = "__call__") -> Callable[..., Any]:
        """A method, or the function; the context is given to a parameter that is annotated so."""
        f = self.made if inspect.isfunction(self.made) else getattr(self.made, name)
        hints = typing.get_type_hints(f if inspect.isroutine(f) else f.__call__)
        wanted = [n for n, hint in hints.items() if hint is Context]
        if not wanted:
            return typing.cast(Callable[..., Any], f)
        ctx = {wanted[0]: self.ctx}
        return lambda *args: f(*args, **ctx)

    def close(self) -> None:
        if hasattr(self.made, "close"):
            self.made.close()


@dataclass
class Function:
    """A function that the plugin serves."""

    kind: pb.FunctionKind
    body: Body
    name: str
    declared: Signature
    instance: Callable[[Opened, Signature], Instance]
    doc: str = ""
    per: str = ""
    deterministic: bool = True
    takes: type | None = None
    files: Mapping[str, pb.FileSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise TypeError(f"function name {self.name!r}: use letters, digits and '_'")
        if self.per and self.per not in _PER:
            raise TypeError(f"function {self.name}: per={self.per!r}: use {', '.join(map(repr, _PER))}")
        self.declared = self.declared.read()

    def describe(self, signature: Signature | None = None) -> pb.Function:
        """The description, with what options have changed."""
        s = signature or self.declared
        return pb.Function(
            name=self.name,
            kind=self.kind,
            args=[c.type.name for c in s.args or ()],
            returns=s.returns.type.name if s.returns else "",
            nullable=bool(s.returns and s.returns.nullable),
            doc=self.doc,
            nondeterministic=not self.deterministic,
            input=_described(s.input),
            output=_described(s.output),
            state=_described(s.state),
            per=_PER.get(self.per, pb.PER_UNSPECIFIED),
            files=self.files.values(),
            options_schema=options.schema(self.takes) if self.takes else "",
        )

    def bind(self, text: str, files: Mapping[str, str]) -> tuple[Context, Signature]:
        """Checks options and files; the context and the signature that they make."""
        given = options.read(self.takes, text, self.name)
        for name in files:
            if name not in self.files:
                raise Refuse(
                    f"function {self.name} takes no file {name!r}; it takes {', '.join(self.files) or 'none'}", file=name
                )
        for name, spec in self.files.items():
            if name not in files and not spec.optional:
                raise Refuse(f"function {self.name} needs a file {name!r}{': ' + spec.doc if spec.doc else ''}", file=name)
        ctx = Context(self.name, given, files)
        changed = self.body.what.bind(ctx) if hasattr(self.body.what, "bind") else None
        return ctx, self.declared.changed(changed)

    def open(self, text: str, files: Mapping[str, str]) -> tuple[Context, Signature, Instance]:
        """Makes what answers calls."""
        ctx, signature = self.bind(text, files)
        return ctx, signature, self.instance(self.body.open(ctx), signature)


def file_specs(files: Mapping[str, str] | None) -> dict[str, pb.FileSpec]:
    """Side files from {"name": "what it is"}; a name that ends in "?" may be left out."""
    out = {}
    for name, doc in (files or {}).items():
        plain = name.removesuffix("?")
        out[plain] = pb.FileSpec(name=plain, doc=doc, optional=name.endswith("?"))
    return out


def _described(cols: Mapping[str, Column] | None) -> list[pb.Column]:
    return [pb.Column(name=n, type=c.type.name, nullable=c.nullable) for n, c in (cols or {}).items()]
