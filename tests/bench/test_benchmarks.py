"""Each benchmark runs, in a version so small that its values mean nothing."""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import pgbench
from bench.__main__ import BENCHMARKS
from bench.effort import Effort
from bench.figures import Figure
from shared import logs

TINY = Effort(
    pairs=1,
    seconds=0.05,
    racers=5,
    messages=40,
    webhooks=1,
    bookings=8,
    rounds=1,
    old=200,
    holds=20,
)
WITHOUT_SERVERS = ("slots", "local_broker")


@dataclass(frozen=True)
class GivenServers:
    postgres: str
    amqp: str


@pytest.fixture
def servers(postgres_server: str, amqp_vhost: str) -> GivenServers:
    return GivenServers(postgres_server, amqp_vhost)


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("slots", "slots of 30 days, 100 busy times"),
        ("listing", "booking : floor"),
        ("holds", "holds : pgbench"),
        ("racers", "gateway : bare SQL, requests a second"),
        ("relay", "relay : raw publish"),
        ("gateway", "added by gateway : nginx, 1 connection"),
        ("confirm", "services : by hand, to the mails promised"),
        ("local_broker", "published and handled, in a file"),
    ],
)
async def test_a_benchmark_yields_rows_that_can_be_read_and_kept(
    name: str, measured: str, servers: GivenServers
) -> None:
    if name == "holds" and pgbench.find() is None:
        pytest.skip("pgbench comes with Debian's PostgreSQL only")
    if name == "gateway" and shutil.which("nginx") is None:
        pytest.skip("nginx is installed by `make bench` only")

    figures = await BENCHMARKS[name](servers, TINY)

    assert measured in {figure.name for figure in figures}
    for figure in figures:
        assert math.isfinite(figure.value)
        assert figure.unit in UNITS
        assert json.loads(json.dumps(figure.as_json()))["value"] == figure.value
    names = [(figure.name, figure.unit) for figure in figures]
    assert len(set(names)) == len(names)


UNITS = {"x", "ms CPU", "ms p50", "ms p99", "req/s", "msg/s"}


def test_every_benchmark_is_tried_here() -> None:
    [mark] = test_a_benchmark_yields_rows_that_can_be_read_and_kept.pytestmark  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == set(BENCHMARKS)


def test_a_chosen_benchmark_is_shown_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(*_: object) -> list[Figure]:
        return [Figure("a thing", 3.0, "x", 2.0, raw={"one": [3.0], "other": [1.0]})]

    monkeypatch.setattr(command, "RESULT", tmp_path / "results" / "latest.json")
    monkeypatch.setitem(BENCHMARKS, "slots", measure)
    monkeypatch.setattr(logs, "configure", lambda *_: None)

    assert command.main(["slots"]) == 0

    assert "over" in capsys.readouterr().out
    kept = json.loads((tmp_path / "results" / "latest.json").read_text())
    [figure] = kept["figures"]["slots"]
    assert figure["verdict"] == "over"
    assert figure["raw"] == {"one": [3.0], "other": [1.0]}
    assert facts(kept["machine"]) >= {"cores", "processor", "system"}
    assert "asyncpg" in kept["versions"]


def facts(known: Mapping[str, object]) -> set[str]:
    return {name for name, value in known.items() if value}


def test_an_unknown_name_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["slotz"]) == 2
    assert "slots" in capsys.readouterr().out
