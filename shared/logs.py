"""Logs: one JSON object a line, with the ids that tie a request to all it caused."""

import contextlib
import logging
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

SECRETS = frozenset(
    {
        "access_token",
        "authorization",
        "card_number",
        "client_secret",
        "cookie",
        "cvc",
        "password",
        "refresh_token",
        "secret",
        "set-cookie",
        "signature",
        "stripe-signature",
        "token",
    }
)
HIDDEN = "[hidden]"

EventDict = MutableMapping[str, Any]


def hide_secrets(_: object, __: str, event: EventDict) -> EventDict:
    """Replace the values of secret keys, at any depth."""
    return {key: _hidden(key, value) for key, value in event.items()}


def _hidden(key: object, value: Any) -> Any:
    if isinstance(key, str) and key.lower() in SECRETS:
        return HIDDEN
    if isinstance(value, dict):
        return {name: _hidden(name, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(None, each) for each in value]
    return value


def configure(service: str, level: str, *, json: bool = True) -> None:
    """Send all logs of this process, the libraries' too, to standard output.

    `json=False` writes for a person's eyes. A `service` in the context wins over this
    one: in local mode several services share a process.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _named(service),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    renderers: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderers,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def _named(service: str) -> Any:
    def name(_: object, __: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return name


@contextlib.contextmanager
def context(**values: str) -> Iterator[None]:
    """Add these values to every log line of the block, tasks begun in it included."""
    with bound_contextvars(**values):
        yield


def correlation_id() -> str | None:
    """The id of the request that everything here goes back to, if there is one."""
    value: str | None = get_contextvars().get("correlation_id")
    return value
