"""Sessions on a service's own PostgreSQL database, and its migrations."""

import importlib
from enum import Enum
from pathlib import Path

from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, registry
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.signals import Signal

Sessions = async_sessionmaker[AsyncSession]

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

MECHANISMS = MetaData(naming_convention=NAMING)
"""The tables that every service has in its own database: outbox, inbox, answers."""

MIGRATION_LOCK = 0x5C4131


def new_registry() -> registry:
    """Where a service's tables hang: `class Base(SQLModel, registry=new_registry())`.

    Several services live in one process in local mode; on SQLModel's global metadata
    their tables of one name would clash.
    """
    tables = registry()
    tables.metadata.naming_convention = NAMING
    return tables


def make_sessions(database_url: str, pool_size: int = 10) -> Sessions:
    """Sessions on one engine. `sessions.begin()` commits at its end or rolls back.

    `jit` is off: it costs short queries ten times their own time. Connections are not
    pinged before use (three round trips): after a restart of the server the first
    statement fails as an outage, and the pool starts anew.
    """
    engine = create_async_engine(
        database_url,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,
        connect_args={"server_settings": {"jit": "off", "timezone": "UTC"}},
    )
    return async_sessionmaker(
        engine,
        class_=AsyncSession,
        expire_on_commit=False,
        info={"work_committed": Signal()},
    )


def engine_of(sessions: Sessions) -> AsyncEngine:
    """The engine behind the sessions, to dispose of it at the end."""
    engine = sessions.kw["bind"]
    assert isinstance(engine, AsyncEngine)
    return engine


def work_committed(sessions: Sessions) -> Signal:
    """Fires after each commit of a transaction that called `leave_work`."""
    signal = sessions.kw["info"]["work_committed"]
    assert isinstance(signal, Signal)
    return signal


def leave_work(session: AsyncSession) -> None:
    """Once this transaction commits, wake this process's workers to look for work."""
    session.info["leaves_work"] = True


@event.listens_for(Session, "after_commit")
def _wake_workers(session: Session) -> None:
    if session.info.pop("leaves_work", False):
        session.info["work_committed"].fire()


@event.listens_for(Session, "after_rollback")
def _forget_work(session: Session) -> None:
    session.info.pop("leaves_work", None)


def enum_column(enum: type[Enum]) -> SqlEnum:
    """Store an enum's values as text: a new member then needs no migration."""
    return SqlEnum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


async def migrate(database_url: str, package: str) -> None:
    """Bring the database of `package` ("services.booking") to its newest revision.

    Safe to run from several processes at once: an advisory lock lets one in at a time,
    and the others find nothing left to do.
    """
    # For those who migrate: loading it is a tenth of what a service needs to start.
    from alembic import command
    from alembic.config import Config

    folder = Path(next(iter(importlib.import_module(package).__path__)))
    config = Config()
    config.set_main_option("script_location", str(folder / "migrations"))

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine(database_url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
            )
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
