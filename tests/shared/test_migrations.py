"""What the migrations make is what the models say, for every service."""

import importlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

import shared.migrations  # noqa: F401 - registers the mechanisms' tables
from shared.db import MECHANISMS

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts)
    for folder in ("services/*", "gateway")
    for path in ROOT.glob(f"{folder}/migrations/")
)


def test_every_service_has_migrations() -> None:
    assert len(PACKAGES) == 7


@pytest.mark.parametrize("package", PACKAGES)
async def test_the_migrations_make_what_the_models_say(
    package: str, database: Callable[[str], Awaitable[str]]
) -> None:
    metadata: MetaData = importlib.import_module(f"{package}.models").Base.metadata
    engine = create_async_engine(await database(package.removeprefix("services.")))

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        tables = [metadata] if package == "gateway" else [metadata, MECHANISMS]
        return list(compare_metadata(context, tables))  # type: ignore[arg-type]

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
