"""Telling an outage of something we need from a mistake of our own."""

from aiormq.exceptions import AMQPError
from asyncpg.exceptions import (
    CannotConnectNowError,
    PostgresConnectionError,
    TooManyConnectionsError,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Outage, Unavailable

SIGNS = (
    Outage,
    Unavailable,
    OSError,
    TimeoutError,
    AMQPError,
    PoolTimeout,
    PostgresConnectionError,
    CannotConnectNowError,
    TooManyConnectionsError,
)

SHUTTING_DOWN = frozenset({"57P01", "57P02", "57P03", "53300"})
"""SQLSTATEs of a server that stops, starts or has no connection left."""


def is_outage(error: BaseException) -> bool:
    """True if `error` says that a server is down, so that trying later can help."""
    if isinstance(error, SIGNS):
        return True
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return (
            error.connection_invalidated
            or state in SHUTTING_DOWN
            or (error.__cause__ is not None and is_outage(error.__cause__))
            or (error.orig is not None and is_outage(error.orig))
        )
    return False
