"""The body of every service's `migrations/env.py`."""

from alembic import context, op
from sqlalchemy import MetaData

from shared import idempotency, inbox, outbox  # noqa: F401 - register their tables
from shared.db import MECHANISMS


def run(metadata: MetaData) -> None:
    """Run the migrations of one service on the connection handed over by `db.migrate`.

    With `alembic revision --autogenerate` the same connection is compared with
    `metadata`, the service's own tables only.
    """
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def create_mechanisms() -> None:
    """Create the mechanisms' tables: the first step of every first revision."""
    MECHANISMS.create_all(op.get_bind())
