"""Structured logs: a JSON object a line on stdout, ours and the libraries' alike."""

import dataclasses
import logging
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import structlog
from opentelemetry import trace
from pydantic import BaseModel
from structlog.contextvars import bound_contextvars, get_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

SECRET = re.compile(
    r"(password(hash)?|token|authorization|cookie|cardnumber|cvc|secret|signature)s?$"
)
"""How a name ends, as bare lower-case letters, whose value is never logged."""

DEEPEST = 8

TALKATIVE = ("httpx2", "stripe")
"""Libraries that log every URL they call, with what stands in it, at INFO."""


def configure(service: str, level: str, *, json: bool = True) -> None:
    """Send everything that this process logs through one pipeline; call it at start.

    `service` names the lines that are logged outside any `context(service=...)`.
    `level` is a standard name such as INFO; ValueError for another. `json=False`
    prints for people. Calling it again replaces what was configured.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _default_service(service),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace,
    ]
    to_formatter = ProcessorFormatter.wrap_for_formatter
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, to_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    formatter = ProcessorFormatter(
        foreign_pre_chain=[*before, ExtraAdder()],
        processors=[ProcessorFormatter.remove_processors_meta, *_ending(json)],
    )
    _take_over(formatter, level.upper())


def context(**fields: str) -> AbstractContextManager[None]:
    """Add the fields to every line logged inside, also by tasks started there.

    `service`, `request_id` and `correlation_id` are the ones with a meaning to others.
    """
    return bound_contextvars(**fields)


def correlation_id() -> str | None:
    """What joins all that one request has set off, across services; None outside."""
    found: str | None = get_contextvars().get("correlation_id")
    return found


def add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Name the span that is under way, so that a line leads to its trace."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    return line


def drop_secrets(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Leave out what `SECRET` names, in nested values, models and header pairs too."""
    line.pop("color_message", None)  # uvicorn's second copy of its message
    return _without_secrets(line, 0)  # type: ignore[no-any-return]


def _without_secrets(value: Any, depth: int) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if depth > DEEPEST:
        return "..."
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        value = getattr(value, "__dict__", type(value).__qualname__)
    if isinstance(value, Mapping):
        return {
            _text(name): _without_secrets(each, depth + 1)
            for name, each in value.items()
            if not _is_secret(name)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _without_secrets(each, depth + 1) for each in value if not _is_pair(each)
        ]
    return value


def _is_pair(value: object) -> bool:
    """True for a header such as `(b"cookie", b"...")`."""
    return isinstance(value, list | tuple) and len(value) == 2 and _is_secret(value[0])


def _is_secret(name: object) -> bool:
    letters = re.sub(r"[^a-z]", "", _text(name).lower())
    return SECRET.search(letters) is not None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return repr(value) if isinstance(value, BaseException) else str(value)


def _default_service(service: str) -> Processor:
    return lambda _, __, line: {"service": service, **line}


def _ending(json: bool) -> list[Processor]:
    if not json:
        plain = structlog.dev.plain_traceback
        return [drop_secrets, structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    # without locals, for those hold secrets
    as_fields = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(as_fields),
        drop_secrets,
        structlog.processors.JSONRenderer(default=_text),
    ]


def _take_over(formatter: logging.Formatter, level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.setLevel(level)
    root.handlers[:] = [handler]
    faststream = logging.getLogger("faststream")  # the one that prints by itself
    faststream.handlers.clear()
    faststream.propagate = True
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
