"""The v1 wire format: form fields whose names nest, such as `line_items[0][price]`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from local.stripe.errors import StripeError, invalid

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(text: str) -> dict[str, Any]:
    """`a[b][0][c]=1` becomes `{"a": {"b": {"0": {"c": "1"}}}}`.

    Leaves are text and lists are objects with numbers as keys (`a[]=x` takes the next
    one): only the contract knows which of them are lists. Raises StripeError for names
    that cannot be read or that contradict each other.
    """
    root: dict[str, Any] = {}
    for name, value in _pairs(text):
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid(f"Invalid parameter name: {name}", param=name)
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        _put(root, steps, value, name)
    return root


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise invalid("Invalid request: it is not UTF-8.") from error


def _put(root: dict[str, Any], steps: list[str], value: str, name: str) -> None:
    at = root
    for step in steps[:-1]:
        at = at.setdefault(step or str(len(at)), {})
        if not isinstance(at, dict):
            raise _contradiction(name)
    last = steps[-1] or str(len(at))
    if isinstance(at.get(last), dict):
        raise _contradiction(name)
    at[last] = value


def _contradiction(name: str) -> StripeError:
    return invalid(f"{name} is given both as a value and as an object.", param=name)
