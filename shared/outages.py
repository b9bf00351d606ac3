"""Telling an outage of something we need from a mistake of our own."""

from aiormq.exceptions import AMQPError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Outage, Unavailable

SIGNS = (Outage, Unavailable, OSError, TimeoutError, AMQPError, PoolTimeout)

STATES = ("08", "53", "25006", "57P01", "57P02", "57P03", "58030")
"""How the SQLSTATE begins of a database that cannot be reached, has no room left (disk,
memory, connections), is a standby since a failover, stops, starts or fails at I/O."""


def is_outage(error: BaseException) -> bool:
    """True if `error` says that a server is down, so that trying later can help."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (
            error.orig is not None and is_outage(error.orig)
        )
    state = str(getattr(error, "sqlstate", None))
    return isinstance(error, SIGNS) or state.startswith(STATES)
