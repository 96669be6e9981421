"""Options of functions: JSON objects read into dataclasses."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal

from .errors import Refuse

_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_MISSING = dataclasses.MISSING


def schema(cls: type) -> str:
    """The JSON Schema of a dataclass."""
    return json.dumps(_object(cls), sort_keys=True)


def read(cls: type | None, text: str, function: str) -> Any:
    """The options in a JSON object; refuses what the dataclass has no field for, and values of other types."""
    try:
        value = json.loads(text or "{}")
    except ValueError as e:
        raise Refuse(f"options: {e}") from e
    if not isinstance(value, dict):
        raise Refuse("options: not a JSON object")
    if cls is None:
        for name in value:
            raise Refuse(f"function {function} takes no options", option="/" + name)
        return None
    return _read(cls, value, "")


def _object(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties, required = {}, []
    for f in dataclasses.fields(cls):
        p = _schema(hints[f.name])
        if "doc" in f.metadata:
            p["description"] = f.metadata["doc"]
        if f.default is not _MISSING:
            p["default"] = f.default
        elif f.default_factory is _MISSING:
            required.append(f.name)
        properties[f.name] = p
    out: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**out, "required": required} if required else out


def _schema(t: Any) -> dict[str, Any]:
    origin, args = typing.get_origin(t), typing.get_args(t)
    if t in _SCALARS:
        return {"type": _SCALARS[t]}
    if dataclasses.is_dataclass(t) and isinstance(t, type):
        return _object(t)
    if origin is Literal:
        return {"enum": list(args)}
    if origin is list:
        return {"type": "array", "items": _schema(args[0])}
    if origin is dict and args[0] is str:
        return {"type": "object", "additionalProperties": _schema(args[1])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if a is type(None) else _schema(a) for a in args]}
    raise TypeError(f"an option of type {t}: use bool, int, float, str, list, dict, Literal, None or a dataclass")


def _read(t: Any, value: Any, at: str) -> Any:
    origin, args = typing.get_origin(t), typing.get_args(t)
    if dataclasses.is_dataclass(t) and isinstance(t, type):
        return _fields(t, value, at)
    if origin is Literal:
        if any(value == a and type(value) is type(a) for a in args):
            return value
        raise Refuse(f"option {_name(at)}: {json.dumps(value)} is none of {', '.join(map(json.dumps, args))}", option=at)
    if origin is list and isinstance(value, list):
        return [_read(args[0], v, f"{at}/{i}") for i, v in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {k: _read(args[1], v, f"{at}/{k}") for k, v in value.items()}
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        rest = [a for a in args if a is not type(None)]
        return _read(rest[0], value, at) if len(rest) == 1 else _first(rest, value, at)
    if t is float and type(value) is int:
        return float(value)
    if type(value) is t:
        return value
    raise Refuse(
        f"option {_name(at)}: {json.dumps(value)} is no {_SCALARS.get(t, _SCALARS.get(origin, 'value of that type'))}", option=at
    )


def _first(kinds: list[Any], value: Any, at: str) -> Any:
    for kind in kinds[:-1]:
        try:
            return _read(kind, value, at)
        except Refuse:
            continue
    return _read(kinds[-1], value, at)


def _fields(cls: type, value: Any, at: str) -> Any:
    if not isinstance(value, dict):
        raise Refuse(f"option {_name(at)}: {json.dumps(value)} is no object", option=at)
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}
    for name in value:
        if name not in known:
            raise Refuse(
                f"the function has no option {_name(f'{at}/{name}')!r}; there are {', '.join(known)}", option=f"{at}/{name}"
            )
    for name, f in known.items():
        if name not in value and f.default is _MISSING and f.default_factory is _MISSING:
            raise Refuse(f"option {_name(f'{at}/{name}')} is missing", option=at)
    given = {name: _read(hints[name], v, f"{at}/{name}") for name, v in value.items()}
    try:
        return cls(**given)
    except ValueError as e:  # of __post_init__
        raise Refuse(f"options: {e}", option=at) from e


def _name(at: str) -> str:
    return at[1:].replace("/", ".") or "options"
