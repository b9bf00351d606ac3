"""`make dev` and `make reset`, as the programs that they are."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local.doors import free_base, reserve
from local.folder import POSTGRES, reset
from local.postgres import kept_folder
from local.processes import temporary_folder, unprivileged
from local.settings import PASSWORD, LocalSettings
from tests.local.terminal import Program, assert_no_errors

LINKS = "See the main job done"
PLANTING = "Planting people"
PATIENCE = 60.0


class Terminal:
    """Somebody's checkout: a data folder, a base of ports, and programs on both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = LocalSettings(
            data=temporary_folder(unprivileged("postgres")), port_base=free_base()
        )
        self.programs: list[Program] = []

    def run(self, *command: str, **env: str) -> Program:
        data, base = str(self.settings.data), str(self.settings.port_base)
        given = {"DATA": data, "PORT_BASE": base} | env
        self.programs.append(Program(self.folder, *command, **given))
        return self.programs[-1]

    def dev(self, **env: str) -> Program:
        """`make dev`, once it has printed its links."""
        program = self.run("local", **env)
        program.wait_for(LINKS)
        return program

    def close(self) -> None:
        for program in self.programs:
            program.kill()
        reset(self.settings.data)

    def nothing_listens(self) -> bool:
        for port in self.settings.ports:
            reserve(port).close()
        return True

    def get(self, path: str, **params: str) -> Any:
        url = f"{self.settings.gateway_url}{path}"
        answer = httpx2.get(url, params=params, timeout=PATIENCE)
        return answer.raise_for_status().json()

    def sessions_of(self, name: str) -> list[Any]:
        body = {"email": f"{name}@scrimline.example", "password": PASSWORD}
        url = self.settings.gateway_url
        with httpx2.Client(base_url=url, timeout=PATIENCE) as http:
            tokens = http.post("/v1/auth/login", json=body).raise_for_status().json()
            bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
            found = http.get("/v1/sessions", params={"role": "coach"}, headers=bearer)
        return list(found.raise_for_status().json()["items"])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.mark.timeout(300)
def test_a_house_starts_stays_alone_stops_comes_back_and_is_forgotten(
    terminal: Terminal, tmp_path: Path
) -> None:
    """One life, since only the first start plants anything."""
    first = terminal.dev()
    assert_no_errors(first.said)
    its_links_lead_somewhere(first)
    people_and_sessions_are_there(terminal)
    nobody_else_gets_in(terminal, tmp_path)

    first.send(signal.SIGINT)
    first.send(signal.SIGINT)
    assert first.end(30) == 0
    assert first.said.endswith("Stopping …\n")
    assert terminal.nothing_listens()

    again = terminal.dev()
    assert PLANTING not in again.said
    people_and_sessions_are_there(terminal)
    again.send(signal.SIGKILL)
    assert again.end(30) == -signal.SIGKILL
    assert terminal.nothing_listens()

    after_the_kill = terminal.dev()
    people_and_sessions_are_there(terminal)
    after_the_kill.send(signal.SIGTERM)
    assert after_the_kill.end(30) == 0

    it_can_be_forgotten(terminal)


def its_links_lead_somewhere(program: Program) -> None:
    links = [word for word in program.said.split() if word.startswith("http://")]
    assert len(links) == 4
    for link in links:
        assert httpx2.get(link, timeout=PATIENCE).status_code == 200


def people_and_sessions_are_there(terminal: Terminal) -> None:
    assert terminal.get("/local/idle") == {"status": "idle"}
    assert len(terminal.get("/v1/coaches", limit="100")["items"]) == 12
    by_coach = [terminal.sessions_of(f"coach{n}") for n in (1, 4, 12)]
    assert [len(sessions) for sessions in by_coach] == [2, 2, 2]
    statuses = [each["status"] for sessions in by_coach for each in sessions]
    assert statuses.count("cancelled") == 2
    assert statuses.count("completed") == 1
    assert statuses.count("confirmed") == 3


def nobody_else_gets_in(terminal: Terminal, tmp_path: Path) -> None:
    same_data = terminal.run("local", PORT_BASE=str(free_base()))
    same_ports = terminal.run("local", DATA=str(tmp_path / "other"))
    forgetting = terminal.run("local", "reset")
    for program, reason in (
        (same_data, f"in use by {terminal.settings.gateway_url}"),
        (same_ports, f"port {terminal.settings.gateway_port} is taken"),
        (forgetting, f"in use by {terminal.settings.gateway_url}"),
    ):
        assert program.end() == 1
        assert reason in program.said
        assert_no_errors(program.said)
        assert len(program.said.splitlines()) <= 2
    assert not (tmp_path / "other" / POSTGRES).exists()


def it_can_be_forgotten(terminal: Terminal) -> None:
    data = terminal.settings.data
    database = kept_folder(data / POSTGRES, unprivileged("postgres"))
    (data / "mine.txt").write_text("not yours")

    assert terminal.run("local", "reset").end() == 0

    assert [each.name for each in data.iterdir()] == ["mine.txt"]
    assert not database.exists()
    (data / "mine.txt").unlink()


@pytest.mark.timeout(300)
def test_a_first_start_that_was_killed_begins_anew_and_can_be_interrupted(
    terminal: Terminal,
) -> None:
    first = terminal.run("local")
    first.wait_for(PLANTING)
    while not terminal.get("/v1/games")["items"]:
        time.sleep(0.02)
    first.send(signal.SIGKILL)
    assert first.end(30) == -signal.SIGKILL

    again = terminal.run("local")
    again.wait_for(PLANTING)
    assert "The first start was interrupted, so it begins anew." in again.said
    again.send(signal.SIGINT)
    assert again.end(30) == 0
    assert_no_errors(again.said)
    assert terminal.nothing_listens()


@pytest.mark.parametrize("program", ["local", "local.demo"])
def test_what_calls_itself_production_is_refused(
    terminal: Terminal, program: str
) -> None:
    refused = terminal.run(program, ENVIRONMENT="production")
    assert refused.end() == 1
    assert refused.said.startswith("ENVIRONMENT is 'production': this is for a laptop")
    assert_no_errors(refused.said)


@pytest.mark.parametrize("base", ["80", "http", "70000"])
def test_a_base_of_ports_that_cannot_be_is_named(terminal: Terminal, base: str) -> None:
    refused = terminal.run("local", PORT_BASE=base)
    assert refused.end() == 1
    assert refused.said.startswith(f"PORT_BASE is '{base}': Input should be ")
    assert len(refused.said.splitlines()) == 1


def test_only_reset_is_an_argument(terminal: Terminal) -> None:
    refused = terminal.run("local", "forget")
    assert (refused.end(), refused.said) == (1, "usage: python -m local [reset]\n")


def test_a_reset_where_nothing_is_does_nothing(terminal: Terminal) -> None:
    assert terminal.run("local", "reset").end() == 0
    assert terminal.run("local", "reset").end() == 0
    assert not terminal.settings.data.exists()
