"""A released event keeps its shape; only optional fields may join it."""

import json
import re
from typing import Any

import pytest

from shared.contracts import Event
from tests.contracts.release import RELEASED, all_events, shape

EVENTS = all_events()


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_event_is_named_after_its_publisher_its_fact_and_its_version(
    name: str,
) -> None:
    event = EVENTS[name]

    assert re.fullmatch(r"[a-z]+(\.[a-z_]+){1,2}\.v[1-9]\d*", name)
    assert name.split(".")[0] == event.__module__.rpartition(".")[2]
    assert event.__name__.endswith(name.rpartition(".")[2].upper())


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_released_event_keeps_its_shape_and_gains_optional_fields_only(
    name: str,
) -> None:
    path = RELEASED / f"{name}.json"
    assert path.exists(), "run python -m tests.contracts.release"

    assert broken(json.loads(path.read_text()), shape(EVENTS[name])) == []


def test_no_released_event_has_gone() -> None:
    assert {path.stem for path in RELEASED.glob("*.json")} <= set(EVENTS)


@pytest.mark.parametrize(
    "change",
    [
        lambda now: now["properties"].pop("seat_id"),
        lambda now: now["properties"]["seat_id"].update(type="integer"),
        lambda now: now["required"].append("surprise"),
        lambda now: now["required"].remove("seat_id"),
    ],
)
def test_a_change_of_shape_is_noticed(change: Any) -> None:
    before = shape(EVENTS["booking.seat_expired.v1"])
    after = json.loads(json.dumps(before))

    change(after)

    assert broken(before, after)


def test_an_event_ignores_fields_it_does_not_know() -> None:
    event: type[Event] = EVENTS["booking.seat_expired.v1"]
    body = {
        "seat_id": "01a207f2-2f1f-7736-873f-42d140955f62",
        "occurred_at": "2026-06-15T12:00:00Z",
        "from_the_future": True,
    }

    assert "from_the_future" not in event.model_validate(body).model_dump()


def broken(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What a consumer of `before` could miss in `after`, also in nested parts."""
    faults = [
        f"{name} was {old}, is {after['properties'].get(name)}"
        for name, old in before.get("properties", {}).items()
        if described(old) != described(after["properties"].get(name))
    ]
    if set(before.get("required", [])) != set(after.get("required", [])):
        faults.append("the required fields differ")
    for name, part in before.get("$defs", {}).items():
        faults += broken(part, after["$defs"][name])
    return faults


def described(field: dict[str, Any] | None) -> dict[str, Any] | None:
    """A field without its prose."""
    return field and {key: v for key, v in field.items() if key != "description"}
