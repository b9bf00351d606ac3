"""Write down the shape of events that were never released: `python -m tests.contracts.release`.

A released file is never overwritten: a change of shape is a new version of the event.
"""

import importlib
import json
import pkgutil
from pathlib import Path

from shared import contracts
from shared.contracts import REGISTRY, Event

RELEASED = Path(__file__).parent / "released"


def all_events() -> dict[str, type[Event]]:
    """Every event of every publisher, by name."""
    for module in pkgutil.iter_modules(contracts.__path__):
        importlib.import_module(f"shared.contracts.{module.name}")
    return {name: event for name, event in REGISTRY.items() if is_ours(event)}


def is_ours(event: type[Event]) -> bool:
    return event.__module__.startswith("shared.contracts.")


def shape(event: type[Event]) -> dict[str, object]:
    return event.model_json_schema(mode="serialization")


if __name__ == "__main__":
    for name, event in all_events().items():
        path = RELEASED / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(shape(event), indent=2) + "\n")
