"""A coach who lets students down is not listed for a while."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.attending import DAY, do, done, people, tick
from tests.booking.given import START, Service

HOUR = timedelta(hours=1)


async def strike(service: Service, coach_id: UUID, times: int = 1) -> None:
    """Cancel so many sessions an hour before they begin."""
    for _ in range(times):
        start = service.clock.now() + 3 * HOUR
        paid = await given.a_confirmed_seat(service, coach_id=coach_id, start=start)
        await service.clock.until(start - HOUR)
        await done(service, paid, "cancel")


async def strikes(
    service: Service, coach_id: object, who: dict[str, str] | None = None, **query: Any
) -> httpx2.Response:
    return await service.http.get(
        f"/v1/admin/coaches/{coach_id}/strikes",
        params=query,
        headers=given.admin() if who is None else who,
    )


async def clear(
    service: Service, coach_id: object, who: dict[str, str] | None = None, **body: Any
) -> httpx2.Response:
    return await service.http.post(
        f"/v1/admin/coaches/{coach_id}/strikes/clear",
        json={"reason": "was ill"} | body,
        headers=given.admin() if who is None else who,
    )


async def said(service: Service) -> list[tuple[str, int]]:
    events = await service.said("coach_paused", "coach_resumed")
    return [(each.name.split(".")[1], each.version) for each in events]


async def is_listed(service: Service, coach_id: UUID) -> bool:
    day = service.clock.now().date() + timedelta(days=7)
    slots = await service.http.get(
        f"/v1/coaches/{coach_id}/slots", params={"from": str(day), "to": str(day)}
    )
    return bool(slots.json()["days"][0]["slots"])


async def test_the_third_strike_pauses_the_listing_and_sold_sessions_stay(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    sold = await given.a_confirmed_seat(
        service, coach_id=coach_id, start=START + 5 * DAY
    )
    await strike(service, coach_id, 2)
    await tick(service)
    assert (await is_listed(service, coach_id), await said(service)) == (True, [])

    await strike(service, coach_id)
    listed = await is_listed(service, coach_id)
    refused = await given.book(service, coach_id, start=START + 6 * DAY)
    for _ in range(2):
        await tick(service)

    assert not listed, "also before a tick has said so"
    assert refused.status_code == 422
    assert [each["code"] for each in refused.json()["reasons"]] == ["coach_paused"]
    assert (await given.shown(service, sold))["status"] == "confirmed"
    assert await said(service) == [("coach_paused", 1)]
    [event] = await service.said("coach_paused")
    answer = (await strikes(service, coach_id)).json()
    assert event.strikes == len(answer["items"]) == 3
    assert given.instant(answer["paused_until"]) == event.until
    assert {each["reason"] for each in answer["items"]} == {"late_cancel"}


async def test_strikes_count_for_late_payments_before_the_directory_heard_of_them(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    late = await given.a_hold(service, coach_id)
    await strike(service, coach_id, 3)

    await service.hear(given.a_payment(late))

    [refused] = await service.said("payment_refused")
    assert (str(refused.seat_id), refused.reason) == (
        late["seat_id"],
        "coach_unavailable",
    )


async def test_a_pause_ends_when_a_strike_has_aged(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await strike(service, coach_id, 3)
    await tick(service)
    [event] = await service.said("coach_paused")

    await service.clock.until(event.until - timedelta(seconds=1))
    before = await is_listed(service, coach_id)
    await tick(service, event.until)

    assert (before, await is_listed(service, coach_id)) == (False, True)
    assert await said(service) == [("coach_paused", 1), ("coach_resumed", 2)]


async def test_an_admin_clears_strikes_and_says_why(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await strike(service, coach_id, 3)
    await tick(service)

    cleared = await clear(service, coach_id)
    again = await clear(service, coach_id, reason="twice")
    await tick(service)
    await strike(service, coach_id)
    await tick(service)

    assert cleared.status_code == again.status_code == 200
    assert cleared.json() == again.json()
    assert cleared.json()["paused_until"] is None
    assert {each["clear_reason"] for each in cleared.json()["items"]} == {"was ill"}
    assert await is_listed(service, coach_id)
    assert await said(service) == [("coach_paused", 1), ("coach_resumed", 2)]


@pytest.mark.parametrize(
    ("who", "before", "struck"),
    [
        ("coach", DAY, False),
        ("coach", DAY - timedelta(seconds=1), True),
        ("admin", HOUR, False),
        ("student", HOUR, False),
    ],
)
async def test_only_a_coach_who_cancels_within_a_day_is_struck(
    service: Service, who: str, before: timedelta, struck: bool
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START - before)

    await done(service, paid, "cancel", who)

    items = (await strikes(service, paid["coach_id"])).json()["items"]
    assert [each["session_id"] for each in items] == [paid["id"]] * struck


async def test_a_hold_that_its_coach_gives_up_is_no_strike(service: Service) -> None:
    held = await given.a_hold(service, start=service.clock.now() + 3 * HOUR)

    await done(service, held, "cancel")

    assert (await strikes(service, held["coach_id"])).json()["items"] == []


async def test_a_coach_who_did_not_come_is_struck_once_that_is_final(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START)
    await done(service, paid, "check-in", "student")
    for at in (START + HOUR, START + DAY, START + 2 * DAY):
        await tick(service, at)
        items = (await strikes(service, paid["coach_id"])).json()["items"]
        assert bool(items) is (at == START + 2 * DAY)


async def test_when_nobody_came_nobody_is_struck(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await tick(service, START + DAY)
    await tick(service, START + 3 * DAY)

    assert (await given.shown(service, paid))["no_show"] == "both"
    assert (await strikes(service, paid["coach_id"])).json()["items"] == []


async def test_what_a_coach_ends_after_its_start_is_a_strike_at_once(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START)
    await do(service, paid, "cancel")
    await do(service, paid, "cancel")

    items = (await strikes(service, paid["coach_id"])).json()["items"]
    assert [each["reason"] for each in items] == ["no_show"]


async def test_strikes_come_in_pages_the_latest_first(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await strike(service, coach_id, 3)

    first = (await strikes(service, coach_id, limit=2)).json()
    rest = (await strikes(service, coach_id, cursor=first["next_cursor"])).json()

    times = [each["at"] for each in first["items"] + rest["items"]]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    assert rest["next_cursor"] is None
    assert (await strikes(service, coach_id, cursor="W10=")).status_code == 422


@pytest.mark.parametrize("call", [strikes, clear])
async def test_strikes_are_for_admins(service: Service, call: Any) -> None:
    held = await given.a_hold(service)

    statuses = {
        who: (await call(service, held["coach_id"], headers)).status_code
        for who, headers in people(held).items()
    }

    assert statuses.pop("anonymous") == 401
    assert statuses.pop("admin") == 200
    assert set(statuses.values()) == {403}
    assert (await call(service, new_id())).status_code == 404


@pytest.mark.parametrize("reason", [None, "", " ", 7, "x" * 501])
async def test_who_clears_says_why(service: Service, reason: Any) -> None:
    answer = await clear(service, new_id(), reason=reason)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.reason"
