"""Schedules and policies between their stored form, the API's, and the rules'."""

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import from_json

from services.booking.domain.policy import Group, Policy, Tier
from services.booking.domain.schedule import (
    Override,
    Schedule,
    Span,
    TimeOff,
    Window,
    minutes,
)


@lru_cache(maxsize=1024)
def schedule_in(document: str) -> Schedule:
    """As `schedule_of`, from JSON; cached, for it changes seldom and is read often."""
    return schedule_of(from_json(document))


@lru_cache(maxsize=1024)
def policy_in(document: str) -> Policy:
    """As `policy_of`, from JSON; cached."""
    return policy_of(from_json(document))


def schedule_of(document: dict[str, Any]) -> Schedule:
    """The rules' view of a `ScheduleBody` in JSON."""
    return Schedule(
        document["timezone"],
        tuple(
            Window(rule["weekday"], *_span(rule), rule["active"])
            for rule in document["rules"]
        ),
        tuple(
            Override(
                date.fromisoformat(override["date"]),
                tuple(_span(window) for window in override["windows"]),
            )
            for override in document["overrides"]
        ),
        tuple(
            TimeOff(
                datetime.fromisoformat(absence["start"]),
                datetime.fromisoformat(absence["end"]),
                absence["note"],
            )
            for absence in document["time_off"]
        ),
    )


def policy_of(document: dict[str, Any]) -> Policy:
    """The rules' view of a `PolicyBody` in JSON."""
    return Policy(
        **{
            **document,
            "durations": tuple(document["durations"]),
            "group": Group(**document["group"]),
            "cancellation_tiers": tuple(
                Tier(*tier) for tier in document["cancellation_tiers"]
            ),
        }
    )


def _span(window: dict[str, Any]) -> Span:
    return Span(minutes(window["start"]), minutes(window["end"]))
