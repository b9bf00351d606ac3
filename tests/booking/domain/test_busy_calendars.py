"""What a calendar says about when its owner is busy."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from services.booking.domain import busy_calendars
from services.booking.domain.busy_calendars import (
    STALE_AFTER,
    TooCostly,
    Unreadable,
    busy_times,
    state,
)

SINCE = datetime(2026, 6, 15, tzinfo=UTC)
UNTIL = datetime(2026, 7, 15, tzinfo=UTC)


def source(*events: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test"]
    for number, event in enumerate(events):
        body = event.strip().split("\n")
        uid = [] if any(each.startswith("UID") for each in body) else [f"UID:{number}"]
        lines += ["BEGIN:VEVENT", *uid, *body, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def read(
    *events: str,
    zone: str = "Europe/Berlin",
    since: datetime = SINCE,
    until: datetime = UNTIL,
) -> list[str]:
    """The busy times as "day hour-hour" in UTC, short."""
    times = busy_times(source(*events), zone, since, until)
    return [f"{each.start:%m-%d %H:%M}/{each.end:%m-%d %H:%M}" for each in times]


@pytest.mark.parametrize(
    ("event", "busy"),
    [
        # an instant, with an end or a length
        (
            "DTSTART:20260616T100000Z\nDTEND:20260616T113000Z",
            ["06-16 10:00/06-16 11:30"],
        ),
        ("DTSTART:20260616T100000Z\nDURATION:PT45M", ["06-16 10:00/06-16 10:45"]),
        # a zone of its own
        (
            "DTSTART;TZID=America/New_York:20260616T100000\nDURATION:PT1H",
            ["06-16 14:00/06-16 15:00"],
        ),
        # a zone as Windows calls it
        (
            "DTSTART;TZID=W. Europe Standard Time:20260616T100000\nDURATION:PT1H",
            ["06-16 08:00/06-16 09:00"],
        ),
        # no zone, and one that nobody knows: the coach's
        ("DTSTART:20260616T100000\nDURATION:PT1H", ["06-16 08:00/06-16 09:00"]),
        (
            "DTSTART;TZID=Nowhere/Town:20260616T100000\nDURATION:PT1H",
            ["06-16 08:00/06-16 09:00"],
        ),
        # whole days of the coach's
        ("DTSTART;VALUE=DATE:20260616", ["06-15 22:00/06-16 22:00"]),
        (
            "DTSTART;VALUE=DATE:20260616\nDTEND;VALUE=DATE:20260618",
            ["06-15 22:00/06-17 22:00"],
        ),
        # what takes no time
        ("DTSTART:20260616T100000Z", []),
        ("DTSTART:20260616T100000Z\nDTEND:20260616T090000Z", []),
        ("DTSTART:20260616T100000Z\nDURATION:-PT1H", []),
        # what does not count
        ("DTSTART:20260616T100000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT", []),
        ("DTSTART:20260616T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED", []),
        ("DTSTART:20260616T100000Z\nDURATION:PT1H\nUID:0190@scrimline", []),
        (
            "DTSTART:20260616T100000Z\nDURATION:PT1H\nTRANSP:OPAQUE\nSTATUS:TENTATIVE",
            ["06-16 10:00/06-16 11:00"],
        ),
        # outside the time asked for, and across its edges
        ("DTSTART:20260614T230000Z\nDURATION:PT1H", []),
        ("DTSTART:20260614T230000Z\nDURATION:PT2H", ["06-15 00:00/06-15 01:00"]),
        ("DTSTART:20260715T000000Z\nDURATION:PT1H", []),
        ("DTSTART:20260714T230000Z\nDURATION:P9D", ["07-14 23:00/07-15 00:00"]),
        ("DTSTART:19700101T000000Z\nDURATION:PT1H", []),
    ],
)
def test_an_entry_takes_the_time_it_says(event: str, busy: list[str]) -> None:
    assert read(event) == busy


@pytest.mark.parametrize(
    ("event", "days"),
    [
        ("RRULE:FREQ=WEEKLY;COUNT=3", ["06-16", "06-23", "06-30"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=20260630T100000Z", ["06-16", "06-23", "06-30"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=20260630T095959Z", ["06-16", "06-23"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=20260630", ["06-16", "06-23", "06-30"]),
        ("RRULE:FREQ=WEEKLY", ["06-16", "06-23", "06-30", "07-07", "07-14"]),
        (
            "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH",
            ["06-16", "06-18", "06-30", "07-02", "07-14"],
        ),
        ("RRULE:FREQ=MONTHLY;BYDAY=3TU", ["06-16"]),
        ("RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE:20260623T100000Z", ["06-16", "06-30"]),
        (
            "RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID=Europe/Berlin:20260623T120000",
            ["06-16", "06-30"],
        ),
        (
            "RRULE:FREQ=WEEKLY;COUNT=2\nEXDATE:20260616T100000Z\nRDATE:20260625T100000Z",
            ["06-23", "06-25"],
        ),
        ("RDATE:20260617T100000Z,20260618T100000Z", ["06-16", "06-17", "06-18"]),
        ("RRULE:FREQ=WEEKLY;COUNT=2\nSTATUS:CANCELLED", []),
    ],
)
def test_a_repeated_entry_takes_each_of_its_times(event: str, days: list[str]) -> None:
    found = read(f"DTSTART:20260616T100000Z\nDURATION:PT1H\n{event}")
    assert [each[:5] for each in found] == days


def test_a_period_of_its_own_has_a_length_of_its_own() -> None:
    event = "DTSTART:20260616T100000Z\nDURATION:PT1H\n"
    lasting = "RDATE;VALUE=PERIOD:20260617T100000Z/PT3H"
    ending = "RDATE;VALUE=PERIOD:20260617T100000Z/20260617T130000Z"
    for period in (lasting, ending):
        assert read(event + period) == [
            "06-16 10:00/06-16 11:00",
            "06-17 10:00/06-17 13:00",
        ]


def test_an_occurrence_that_was_moved_is_where_it_was_moved_to() -> None:
    series = "UID:a\nDTSTART;TZID=Europe/Berlin:20260616T120000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3"
    moved = (
        "UID:a\nRECURRENCE-ID:20260623T100000Z\nDTSTART:20260624T150000Z\nDURATION:PT2H"
    )
    gone = "UID:a\nRECURRENCE-ID:20260630T100000Z\nDTSTART:20260630T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED"
    other = "UID:b\nDTSTART:20260630T100000Z\nDURATION:PT1H"

    assert read(moved, series, gone) == [
        "06-16 10:00/06-16 11:00",
        "06-24 15:00/06-24 17:00",
    ]
    assert read(series, gone, other)[-1] == "06-30 10:00/06-30 11:00"


def test_a_meeting_at_nine_stays_at_nine_when_the_clocks_change() -> None:
    event = "DTSTART;TZID=Europe/Berlin:20261023T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4"
    found = read(
        event,
        zone="America/New_York",
        since=datetime(2026, 10, 20, tzinfo=UTC),
        until=datetime(2026, 11, 1, tzinfo=UTC),
    )
    assert [each[:11] for each in found] == [
        "10-23 07:00",
        "10-24 07:00",
        "10-25 08:00",
        "10-26 08:00",
    ]


def test_a_time_that_the_clocks_skip_has_the_offset_before() -> None:
    event = "DTSTART;TZID=Europe/Berlin:20260328T023000\nDURATION:PT30M\nRRULE:FREQ=DAILY;COUNT=3"
    found = read(
        event,
        since=datetime(2026, 3, 27, tzinfo=UTC),
        until=datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert [each[:11] for each in found] == [
        "03-28 01:30",
        "03-29 01:30",
        "03-30 00:30",
    ]


def test_whole_days_are_as_long_as_they_are_where_the_coach_is() -> None:
    found = read(
        "DTSTART;VALUE=DATE:20261024\nRRULE:FREQ=WEEKLY;COUNT=2\nDTEND;VALUE=DATE:20261026",
        since=datetime(2026, 10, 20, tzinfo=UTC),
        until=datetime(2026, 11, 3, tzinfo=UTC),
    )
    assert found == ["10-23 22:00/10-25 23:00", "10-30 23:00/11-01 23:00"]


def test_what_overlaps_or_touches_is_one_time() -> None:
    assert read(
        "DTSTART:20260616T100000Z\nDURATION:PT1H",
        "DTSTART:20260616T110000Z\nDURATION:PT1H",
        "DTSTART:20260616T103000Z\nDURATION:PT4H",
        "DTSTART:20260616T150000Z\nDURATION:PT1H",
    ) == ["06-16 10:00/06-16 14:30", "06-16 15:00/06-16 16:00"]


def test_an_empty_calendar_is_a_calendar() -> None:
    assert read() == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"<!doctype html><p>Sign in",
        b"\xff\xfe\x00",
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        b"BEGIN:VCALENDAR\r\n",
    ],
)
def test_what_is_no_calendar_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable, match="not a calendar"):
        busy_times(text, "UTC", SINCE, UNTIL)


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:yesterday",
        "SUMMARY:no start",
        "DTSTART:20260616T100000Z\nDTEND;VALUE=DATE:20260617",
        "DTSTART:20260616T100000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES",
        "DTSTART:20260616T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYDAY=XX",
        "DTSTART:20260616T100000Z\nDURATION:PT1H\nEXDATE:never",
        "DTSTART:20260616T100000Z\nDURATION:soon",
        "DTSTART:99991231T235959Z\nDURATION:P9D",
    ],
)
def test_an_entry_that_cannot_be_read_is_told_and_not_passed_over(event: str) -> None:
    with pytest.raises(Unreadable, match="entry that cannot be read"):
        read(event)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=YEARLY;INTERVAL=0",
    ],
)
def test_a_rule_that_never_ends_is_given_up(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy_calendars, "PATIENCE", 0.3)
    began = time.monotonic()

    with pytest.raises(TooCostly):
        read(f"DTSTART:20260101T000000Z\nDURATION:PT1M\nRRULE:{rule}")

    assert time.monotonic() - began < 3


def test_too_many_times_are_refused() -> None:
    with pytest.raises(Unreadable, match="more than 5000"):
        read("DTSTART:20260616T000000Z\nDURATION:PT1S\nRRULE:FREQ=MINUTELY;COUNT=6000")


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(Unreadable, match="more than 5000"):
        read(*["DTSTART:20200101T000000Z"] * 5001)


@pytest.mark.parametrize(
    ("read_hours_ago", "error", "expected"),
    [
        (None, None, "new"),
        (None, "cannot be reached", "failing"),
        (1, None, "ok"),
        (1, "cannot be reached", "failing"),
        (72, "cannot be reached", "failing"),
        (73, "cannot be reached", "stale"),
    ],
)
def test_a_calendar_is_stale_after_three_days(
    read_hours_ago: int | None, error: str | None, expected: str
) -> None:
    read_at = (
        None if read_hours_ago is None else SINCE - timedelta(hours=read_hours_ago)
    )
    assert timedelta(days=3) == STALE_AFTER
    assert state(read_at, error, SINCE) == expected
