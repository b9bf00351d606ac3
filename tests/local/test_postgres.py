import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from local.postgres import (
    Postgres,
    connect,
    embedded_binaries,
    find_binaries,
    forget_dead_postmaster,
    kept_folder,
    major_version,
    system_binaries,
)
from local.processes import reaches, temporary_folder, unprivileged
from tests.servers.private import private_postgres

SEGMENTS = Path("/proc/sysvipc/shm")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with private_postgres() as server:
        yield server


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder that the server's user reaches, unlike pytest's own for root."""
    user = unprivileged("postgres")
    folder = temporary_folder(user)
    yield folder / "kept"
    remove(folder)


def remove(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove(entry)
        else:
            entry.unlink()
    folder.rmdir()


def plain(url: str) -> str:
    return url.replace("+asyncpg", "")


async def test_each_service_owns_its_database(server: Postgres) -> None:
    urls = await server.create_service_databases(["booking", "payments"])
    for name, url in urls.items():
        assert url.startswith(f"postgresql+asyncpg://{name}:")
        async with connect(plain(url)) as connection:
            assert await connection.fetchval("SELECT current_user") == name
            assert await connection.fetchval("SELECT current_database()") == name
            await connection.execute(
                "CREATE TABLE busy (id int, EXCLUDE USING gist (id WITH =))"
            )
            await connection.execute("DROP TABLE busy")


async def test_a_service_cannot_enter_anothers_database(server: Postgres) -> None:
    urls = await server.create_service_databases(["booking", "payments"])
    wrong = plain(urls["booking"]).removesuffix("/booking") + "/payments"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(wrong)


async def test_nobody_enters_without_the_password(server: Postgres) -> None:
    await server.create_service_databases(["booking"])
    for password in ("", "guess"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1",
                port=server.port,
                user="booking",
                password=password,
                database="booking",
            )


async def test_asking_again_keeps_the_data_and_renews_the_password(
    server: Postgres,
) -> None:
    first = (await server.create_service_databases(["ledger"]))["ledger"]
    async with connect(plain(first)) as connection:
        await connection.execute("CREATE TABLE entries AS SELECT 7 AS amount")
    given = {"ledger": 'it\'s; a "pass"/word@'}
    second = (await server.create_service_databases(["ledger"], given))["ledger"]
    async with connect(plain(second)) as connection:
        assert await connection.fetchval("SELECT amount FROM entries") == 7
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(plain(first))


async def test_a_name_is_a_name_and_never_sql(server: Postgres) -> None:
    name = 'odd"; DROP ROLE x; --'
    await server.create_service_databases([name])
    async with connect(server.url) as connection:
        assert await connection.fetchval(
            "SELECT 1 FROM pg_database WHERE datname = $1", name
        )


async def test_what_was_committed_is_there_after_kill_9(kept: Path) -> None:
    with closing(Postgres(kept, system_first=True)) as server:
        await asyncio.to_thread(server.start)
        async with connect(server.url) as connection:
            await connection.execute("CREATE TABLE entries AS SELECT 7 AS amount")
            server.kill9()
        await asyncio.to_thread(server.start)
        async with connect(server.url) as connection:
            assert await connection.fetchval("SELECT amount FROM entries") == 7


async def test_a_kept_folder_is_used_again_on_another_port(kept: Path) -> None:
    with closing(Postgres(kept, system_first=True)) as first:
        await asyncio.to_thread(first.start)
        async with connect(first.url) as connection:
            await connection.execute("CREATE TABLE entries AS SELECT 7 AS amount")
    with closing(Postgres(kept, system_first=True)) as second:
        assert second.port != first.port
        await asyncio.to_thread(second.start)
        async with connect(second.url) as connection:
            assert await connection.fetchval("SELECT amount FROM entries") == 7
            assert await connection.fetchval("SHOW fsync") == "on"


async def test_a_pid_file_whose_number_is_another_process_does_not_stop_the_start(
    kept: Path,
) -> None:
    with closing(Postgres(kept, system_first=True)) as server:
        await asyncio.to_thread(server.start)
        pid_file = kept / "data" / "postmaster.pid"
        left_behind = pid_file.read_text().splitlines()
        await asyncio.to_thread(server.stop)
        left_behind[0] = str(os.getpid())
        pid_file.write_text("\n".join(left_behind))
        await asyncio.to_thread(server.start)
        async with connect(server.url) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_data_of_another_version_is_refused_in_a_sentence(kept: Path) -> None:
    with closing(Postgres(kept, system_first=True)) as server:
        server.start()
    (kept / "data" / "PG_VERSION").write_text("14\n")
    with (
        closing(Postgres(kept, system_first=True)) as server,
        pytest.raises(RuntimeError, match=r"made by PostgreSQL 14 and this is \d+"),
    ):
        server.start()


async def test_a_folder_in_use_is_refused_and_its_server_unharmed(kept: Path) -> None:
    with closing(Postgres(kept, system_first=True)) as first:
        await asyncio.to_thread(first.start)
        with pytest.raises(RuntimeError, match="in use"):
            forget_dead_postmaster(kept / "data", patience=0.2)
        async with connect(first.url) as connection:
            assert await connection.fetchval("SELECT 1") == 1


def test_a_paused_server_answers_after_it_was_resumed(server: Postgres) -> None:
    async def ask(patience: float) -> int:
        connection = await asyncpg.connect(server.url, timeout=patience)
        try:
            return int(await connection.fetchval("SELECT 1"))
        finally:
            await connection.close()

    server.pause()
    with pytest.raises(TimeoutError):
        asyncio.run(ask(0.5))
    server.resume()
    assert asyncio.run(ask(10)) == 1


@pytest.mark.skipif(not SEGMENTS.exists(), reason="told by Linux only")
async def test_an_ended_server_leaves_no_shared_memory_behind() -> None:
    """The kernel keeps a few thousand segments; then no server starts any more."""
    with private_postgres() as server:
        async with connect(server.url) as connection:
            told = await connection.fetchval("SELECT pg_read_file('postmaster.pid')")
        segment = told.splitlines()[6].split()[1]
        assert segment in segments()

    assert segment not in segments()


def segments() -> set[str]:
    """Ids of all shared memory in the manner of System V."""
    return {line.split()[1] for line in SEGMENTS.read_text().splitlines()}


@pytest.mark.parametrize("find", [embedded_binaries, system_binaries])
def test_binaries_are_found_and_run_as_the_servers_user(
    find: Callable[[str | None], Path | None],
) -> None:
    user = unprivileged("postgres")
    folder = find(user)
    assert folder is not None
    assert major_version(folder, user) >= 15


def test_a_wheel_closed_to_the_servers_user_is_copied_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = unprivileged("postgres")
    cache = temporary_folder(user)
    monkeypatch.setattr("local.postgres.CACHE", cache)
    monkeypatch.setattr(
        "local.postgres.reaches",
        lambda who, path: path.is_relative_to(cache) and reaches(who, path),
    )
    first, second = (embedded_binaries(user) for _ in range(2))
    assert first is not None
    assert first == second
    assert first.is_relative_to(cache)
    assert major_version(first, user) >= 15
    assert len(list(cache.iterdir())) == 1
    remove(cache)


def test_tests_prefer_the_version_of_production() -> None:
    user = unprivileged("postgres")
    versions = [
        major_version(find_binaries(user, system_first=first), user)
        for first in (True, False)
    ]
    assert versions == [15, 18]


async def test_the_wheels_server_starts_and_has_the_extension() -> None:
    with closing(Postgres()) as server:
        started = time.monotonic()
        await asyncio.to_thread(server.start)
        assert time.monotonic() - started < 30
        (url,) = (await server.create_service_databases(["booking"])).values()
        async with connect(plain(url)) as connection:
            assert await connection.fetchval(
                "SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'"
            )
            assert await connection.fetchval("SELECT lower('ÄÖ')") == "äö"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its folders")
def test_a_folder_closed_to_the_servers_user_is_replaced_by_one_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = unprivileged("postgres")
    elsewhere = temporary_folder(user)
    monkeypatch.setattr("local.postgres.DATA", elsewhere)
    (tmp_path / "closed").mkdir(mode=0o700)
    wanted = tmp_path / "closed" / "data"
    first, second = (kept_folder(wanted, user) for _ in range(2))
    assert first == second != wanted
    assert first.parent == elsewhere
    remove(elsewhere)
