"""Compares an answer with the class that the SDK has for it.

The SDK's classes say for each field its type, and by `Optional` whether it may be
missing or null.
"""

import functools
import importlib
import inspect
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

import stripe
import typing_extensions as te
from stripe._stripe_object import StripeObject, UntypedStripeObject


def differences(kind: type[StripeObject], value: Any) -> list[str]:
    """What in `value` is not as the SDK's class says, as `path: complaint`."""
    return list(_check(kind, value, kind.__name__))


class _Names(dict[str, Any]):
    """Names that the SDK imports for type checkers only, or else anything."""

    def __missing__(self, name: str) -> Any:
        return _classes().get(name, Any)


@functools.cache
def _classes() -> dict[str, type]:
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(stripe.__path__):
        if module.name.startswith("_") and not module.ispkg:
            loaded = importlib.import_module(f"stripe.{module.name}")
            for name, value in vars(loaded).items():
                if isinstance(value, type) and issubclass(value, StripeObject):
                    found.setdefault(name, value)
    return found


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    module = sys.modules[kind.__module__]
    names = _Names({**vars(typing), **vars(module), "Literal": te.Literal})
    return {
        name: typing._eval_type(  # type: ignore[attr-defined]
            eval(hint, {}, names) if isinstance(hint, str) else hint,  # noqa: S307
            names,
            names,
        )
        for name, hint in inspect.get_annotations(kind).items()
        if not name.startswith("_") and name != "OBJECT_NAME"
    }


def _check(hint: Any, value: Any, path: str) -> Iterator[str]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        yield from _check_union(hint, value, path)
    elif origin is list or getattr(origin, "__name__", "") == "ListObject":
        yield from _check_list(typing.get_args(hint)[0], value, path)
    elif isinstance(hint, type) and issubclass(hint, StripeObject):
        yield from _check_object(hint, value, path)
    elif not _fits(hint, origin, value):
        yield f"{path}: {value!r} is not {hint}"


def _fits(hint: Any, origin: Any, value: Any) -> bool:
    if origin is te.Literal:
        return value in typing.get_args(hint)
    if origin in (dict, UntypedStripeObject):
        return isinstance(value, dict)
    return hint is Any or type(value) is hint


def _check_object(kind: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: is not an object"
        return
    fields = _fields(kind)
    for name in value.keys() - fields.keys():
        yield f"{path}.{name}: is no field of {kind.__qualname__}"
    for name, hint in fields.items():
        if name in value:
            yield from _check(hint, value[name], f"{path}.{name}")
        elif type(None) not in typing.get_args(hint):
            yield f"{path}.{name}: is missing"


def _check_union(hint: Any, value: Any, path: str) -> Iterator[str]:
    """`Literal[...] | str` is how the SDK leaves an enum open; here it is closed."""
    options = typing.get_args(hint)
    if any(typing.get_origin(option) is te.Literal for option in options):
        options = tuple(option for option in options if option is not str)
    complaints = [list(_check(option, value, path)) for option in options]
    if all(complaints):
        yield from min(complaints, key=len)


def _check_list(item: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and value.get("object") == "list":
        value = value["data"]
    if not isinstance(value, list):
        yield f"{path}: is not a list"
        return
    for at, each in enumerate(value):
        yield from _check(item, each, f"{path}[{at}]")
