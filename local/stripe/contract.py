"""What Stripe accepts, read out of the official SDK's generated code.

Each of its `_*_service.py` files names operations with their method, path and a
TypedDict of parameters. The TypedDicts are rebuilt so that unknown names, missing and
mistyped values are errors. This proves names and types; the rules of the business are
in the modules that act.
"""

import ast
import functools
import importlib
import re
import sys
import types
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import stripe
import typing_extensions as te
from pydantic import (
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from stripe._request_options import RequestOptions

from local.stripe.errors import StripeError, invalid, missing

ROOT = Path(stripe.__file__).parent


@dataclass(frozen=True)
class Operation:
    """One call of the API. `name` is the SDK's, e.g. `checkout.sessions.create`."""

    name: str
    method: str
    path: str
    params: str
    """`module:TypedDict`, or empty when it takes none."""


def find(method: str, path: str) -> tuple[Operation, list[str]]:
    """The operation behind a URL, and the ids in its path.

    Raises StripeError (404) where Stripe has none.
    """
    parts = path.split("/")
    for operation, template in _by_shape()[method, len(parts)]:
        ids = _match(template, parts)
        if ids is not None:
            return operation, ids
    raise StripeError(
        404, "invalid_request_error", f"Unrecognized request URL ({method}: {path})."
    )


def read(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as typed values. Raises StripeError as Stripe would (400)."""
    if not operation.params:
        if params:
            raise _unknown(next(iter(params)))
        return {}
    try:
        typed: dict[str, Any] = _adapter(operation.params).validate_python(params)
    except ValidationError as error:
        raise _refusal(error, params) from None
    return typed


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Everything that this version of the SDK can ask."""
    return tuple(
        operation
        for file in sorted(ROOT.rglob("_*_service.py"))
        for operation in _of_service(file)
    )


def _of_service(file: Path) -> Iterator[Operation]:
    package = ".".join(("stripe.params", *file.parent.relative_to(ROOT).parts))
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _is_request(call):
                    yield _operation(function, call, package)


def _is_request(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "_request"


def _operation(function: ast.FunctionDef, call: ast.Call, package: str) -> Operation:
    method, where = call.args[:2]
    if isinstance(where, ast.Call):  # "/v1/x/{id}".format(id=...)
        where = typing.cast(ast.Attribute, where.func).value
    path = str(ast.literal_eval(where))
    params = next((a.annotation for a in function.args.args if a.arg == "params"), None)
    named = re.search(r"\b\w+Params\b", ast.unparse(params)) if params else None
    return Operation(
        name=_name(path, function.name),
        method=str(ast.literal_eval(method)).upper(),
        path=path,
        params=f"{package}:{named[0]}" if named else "",
    )


def _name(path: str, verb: str) -> str:
    nouns = [part for part in path.split("/")[2:] if not part.startswith("{")]
    if nouns[-1] == verb:
        nouns.pop()
    return ".".join([*nouns, verb])


@functools.cache
def _by_shape() -> dict[tuple[str, int], list[tuple[Operation, list[str]]]]:
    shapes = defaultdict(list)
    for operation in sorted(operations(), key=lambda each: each.path.count("{")):
        template = operation.path.split("/")
        shapes[operation.method, len(template)].append((operation, template))
    return shapes


def _match(template: list[str], parts: list[str]) -> list[str] | None:
    ids = []
    for expected, part in zip(template, parts, strict=True):
        if expected.startswith("{") and part:
            ids.append(part)
        elif expected != part:
            return None
    return ids


# Strict types, built from the SDK's


def _integer(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise PydanticCustomError("invalid_integer", "Invalid integer")
    return int(value)


def _boolean(value: object) -> bool:
    if value not in ("true", "false"):
        raise PydanticCustomError("invalid_boolean", "Invalid boolean")
    return value == "true"


def _array(value: object) -> object:
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


_make_typed_dict: Any = te.TypedDict

_LEAVES: dict[Any, Any] = {
    int: Annotated[int, BeforeValidator(_integer)],
    bool: Annotated[bool, BeforeValidator(_boolean)],
    str: Annotated[str, StringConstraints(min_length=1)],
}


class _FreeForm:
    """What `UntypedStripeObject[T]` means in parameters: any names (metadata)."""

    def __class_getitem__(cls, item: Any) -> Any:
        return dict[str, item]


_NAMES = {
    "Mapping": Mapping,
    "UntypedStripeObject": _FreeForm,
    "StripeContext": str,
    "Literal": te.Literal,
}


@functools.cache
def _adapter(reference: str) -> TypeAdapter[Any]:
    module, name = reference.split(":")
    return TypeAdapter(_strict(getattr(importlib.import_module(module), name)))


@functools.cache
def _strict(source: Any) -> Any:
    hints = te.get_type_hints(
        source, vars(sys.modules[source.__module__]), _NAMES, include_extras=True
    )
    fields = {
        name: _typed(hint)
        if name in source.__required_keys__
        else te.NotRequired[_typed(hint)]
        for name, hint in hints.items()
        if name not in RequestOptions.__annotations__
    }
    strict = _make_typed_dict(source.__name__, fields)
    strict.__pydantic_config__ = ConfigDict(extra="forbid")
    return strict


def _typed(hint: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (te.NotRequired, te.Required):
        return _typed(args[0])
    if hasattr(hint, "__required_keys__"):
        return _strict(hint)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_typed, _closed(args)))]  # noqa: UP007
    if origin is list:
        return Annotated[list[_typed(args[0])], BeforeValidator(_array)]  # type: ignore[misc]
    if origin is dict:  # an empty text unsets an entry, so it is allowed
        return hint
    return _LEAVES.get(hint, hint)


def _closed(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The SDK writes `Literal["a", "b"] | str` for callers; Stripe refuses the rest."""
    names = [a for a in args if typing.get_origin(a) is te.Literal]
    if any(set(typing.get_args(each)) != {""} for each in names):
        return tuple(each for each in args if each is not str)
    return args


# Refusals


def _refusal(error: ValidationError, params: dict[str, Any]) -> StripeError:
    found = [(_where(each, params), each) for each in error.errors()]
    path, first = max(found, key=lambda pair: len(pair[0]))
    param = path[0] + "".join(f"[{step}]" for step in path[1:])
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            return _unknown(param)
        case "missing":
            return missing(param)
        case "string_too_short":
            return invalid(
                f"{param} cannot be unset with an empty text.",
                param=param,
                code="parameter_invalid_empty",
            )
        case "invalid_integer":
            return invalid(
                f"Invalid integer: {given}",
                param=param,
                code="parameter_invalid_integer",
            )
        case _:
            return invalid(f"Invalid {param}: {first['msg']}", param=param)


def _unknown(param: str) -> StripeError:
    return invalid(
        f"Received unknown parameter: {param}", param=param, code="parameter_unknown"
    )


def _where(error: ErrorDetails, params: dict[str, Any]) -> list[str]:
    """The path to the wrong value, without the names of union branches in between."""
    path: list[str] = []
    at: Any = params
    for step in map(str, error["loc"]):
        if isinstance(at, dict) and step in at:
            at = at[step]
            path.append(step)
    if error["type"] == "missing":
        path.append(str(error["loc"][-1]))
    return path
