"""Run all benchmarks, or those that are named: `python -m bench slots gateway`."""

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from uvicorn.loops.auto import auto_loop_factory

from bench import confirm, gateway, holds, listing, local_broker, racers, relay, slots
from bench.effort import Effort
from bench.figures import Figure, table
from bench.servers import PrivateServers, Servers
from shared import logs

Measure = Callable[[Servers, Effort], Coroutine[None, None, list[Figure]]]

RESULT = Path(__file__).parent / "results" / "latest.json"

BENCHMARKS: dict[str, Measure] = {
    "slots": slots.measure,
    "listing": listing.measure,
    "holds": holds.measure,
    "racers": racers.measure,
    "relay": relay.measure,
    "gateway": gateway.measure,
    "confirm": confirm.measure,
    "local_broker": local_broker.measure,
}
PACKAGES = (
    *("aio-pika", "asyncpg", "fastapi", "faststream", "pydantic", "sqlalchemy"),
    *("sqlmodel", "uvicorn", "uvloop"),
)


def main(names: Sequence[str]) -> int:
    if unknown := set(names) - set(BENCHMARKS):
        print(f"Unknown: {', '.join(unknown)}. There are {', '.join(BENCHMARKS)}.")
        return 2
    logs.configure("bench", "ERROR")
    found: dict[str, list[Figure]] = {}
    began = time.perf_counter()
    with PrivateServers() as servers:
        for name in names or BENCHMARKS:
            print(f"{name}, {_minutes(began)} ...", file=sys.stderr, flush=True)
            with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
                found[name] = runner.run(BENCHMARKS[name](servers, Effort()))
    print(table(found))
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    print(f"\n{_minutes(began)} on {os.cpu_count()} cores, {load}.")
    _keep(found)
    return 0


def _minutes(since: float) -> str:
    minutes, seconds = divmod(round(time.perf_counter() - since), 60)
    return f"{minutes}:{seconds:02}"


def _keep(found: Mapping[str, Sequence[Figure]]) -> None:
    result = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "versions": versions(),
        "figures": {
            name: [figure.as_json() for figure in figures]
            for name, figures in found.items()
        },
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Raw values are in {RESULT}.")


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | packages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
