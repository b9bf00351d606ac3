from dataclasses import replace
from typing import Any

import pytest

from services.booking.domain.policy import (
    Group,
    Policy,
    Tier,
    policy_errors,
    require_duration,
)
from services.booking.domain.problems import DurationNotOffered


def test_what_holds_before_a_coach_decides_is_valid() -> None:
    assert policy_errors(Policy()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("durations", ()),
        ("durations", (60, 60)),
        ("durations", (10,)),
        ("durations", (61,)),
        ("durations", (725,)),
        ("durations", tuple(range(15, 80, 5))),
        ("increment", 0),
        ("increment", -15),
        ("increment", 7),
        ("buffer_before", -1),
        ("buffer_after", 241),
        ("notice_minutes", -1),
        ("notice_minutes", 43_201),
        ("horizon_days", 366),
        ("max_sessions_per_day", 0),
        ("max_sessions_per_week", 1001),
        ("max_students_per_week", -1),
        ("meeting", "telegraph"),
        ("meeting", "custom"),
        ("meeting_url", "http://example.com"),
        ("meeting_url", "https://"),
        ("meeting_url", "https://[::1"),
        ("cancellation_tiers", ()),
        ("cancellation_tiers", (Tier(24, 50),)),
        ("cancellation_tiers", (Tier(169, 100), Tier(24, 50))),
        ("cancellation_tiers", (Tier(24, 100), Tier(24, 50))),
        ("cancellation_tiers", (Tier(24, 100), Tier(48, 50))),
        ("cancellation_tiers", (Tier(48, 100), Tier(24, 50), Tier(12, 60))),
        ("cancellation_tiers", (Tier(24, 101),)),
        ("cancellation_tiers", (Tier(24, 100), Tier(0, -1))),
        ("cancellation_tiers", (Tier(24, 100), Tier(-1, 0))),
        ("cancellation_tiers", tuple(Tier(24 - n, 100 - n) for n in range(11))),
    ],
)
def test_a_policy_that_cannot_work_is_refused(field: str, value: Any) -> None:
    errors = policy_errors(replace(Policy(), **{field: value}))

    assert errors
    assert all(each["field"].startswith("body.") and each["message"] for each in errors)
    assert errors[0]["field"] in (f"body.{field}", "body.meeting_url")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("durations", (15, 25, 50, 90, 720)),
        ("increment", 5),
        ("buffer_before", 240),
        ("horizon_days", 0),
        ("max_sessions_per_day", 1),
        ("meeting_url", "https://meet.example.com/me"),
        ("cancellation_tiers", (Tier(168, 100),)),
        ("cancellation_tiers", (Tier(200, 100), Tier(48, 100), Tier(24, 50))),
        ("cancellation_tiers", (Tier(0, 100),)),
        ("group", Group(enabled=True, capacity=6, min_participants=2)),
    ],
)
def test_a_policy_that_works_is_accepted(field: str, value: Any) -> None:
    assert policy_errors(replace(Policy(), **{field: value})) == []


@pytest.mark.parametrize(
    ("group", "field"),
    [
        (Group(capacity=0), "body.group.capacity"),
        (Group(capacity=101), "body.group.capacity"),
        (Group(capacity=3, min_participants=4), "body.group.min_participants"),
        (Group(capacity=3, min_participants=0), "body.group.min_participants"),
    ],
)
def test_a_group_needs_room_for_those_it_needs(group: Group, field: str) -> None:
    assert [each["field"] for each in policy_errors(Policy(group=group))] == [field]


def test_another_length_than_those_offered_is_refused_naming_the_field() -> None:
    policy = Policy(durations=(30, 60))

    require_duration(policy, 30)
    with pytest.raises(DurationNotOffered) as refused:
        require_duration(policy, 45, "body.duration_minutes")

    assert refused.value.status == 422
    [error] = refused.value.extra["errors"]
    assert error["field"] == "body.duration_minutes"
    assert "30, 60" in error["message"]
