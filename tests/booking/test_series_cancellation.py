import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import Service
from tests.booking.series import (
    a_paid_series,
    a_payment,
    a_series,
    cancel,
    its_student,
    shown,
    statuses,
)


async def test_one_held_session_given_up_gives_up_the_unpaid_series(
    service: Service,
) -> None:
    series = await a_series(service)

    response = await service.http.post(
        f"/v1/sessions/{series['sessions'][1]['id']}/cancel",
        json={},
        headers=its_student(series),
    )

    assert response.json()["status"] == "cancelled"
    assert statuses(await shown(service, series)) == ["cancelled"] * 3
    assert len(await service.said("seat_cancelled")) == 3
    await service.hear(a_payment(series))
    assert {each.reason for each in await service.said("payment_refused")} == {
        "cancelled"
    }


async def test_one_paid_session_is_cancelled_alone(service: Service) -> None:
    series = await a_paid_series(service)

    await service.http.post(
        f"/v1/sessions/{series['sessions'][1]['id']}/cancel",
        json={},
        headers=its_student(series),
    )

    assert statuses(await shown(service, series)) == [
        "confirmed",
        "cancelled",
        "confirmed",
    ]


async def test_all_that_lie_ahead_are_given_up_each_by_its_own_rule(
    service: Service,
) -> None:
    series = await a_paid_series(service)
    service.clock.advance(hours=30)  # 18 hours before the first

    path = f"/v1/series/{series['id']}/cancel/quote"
    quoted = (await service.http.get(path, headers=its_student(series))).json()
    response = await cancel(service, series)

    after = response.json()
    refunds = [each["refund"] for each in after["sessions"]]
    assert [each["amount"]["amount"] for each in refunds] == [0, 6000, 6000]
    assert [each["percent"] for each in refunds] == [0, 100, 100]
    assert quoted["refund"] == {"amount": 12000, "currency": "USD"}
    assert [each["refund"]["amount"] for each in quoted["seats"]] == [0, 6000, 6000]
    assert [each["tier"] for each in quoted["seats"]] == [
        "tier 0h",
        "tier 24h",
        "tier 24h",
    ]
    assert after["status"] == "cancelled"
    assert [each.refund.amount for each in await service.said("seat_cancelled")] == [
        0,
        6000,
        6000,
    ]


async def test_from_one_session_on_the_earlier_ones_stay(service: Service) -> None:
    series = await a_paid_series(service)

    response = await cancel(
        service, series, from_session_id=series["sessions"][1]["id"]
    )

    assert statuses(response.json()) == ["confirmed", "cancelled", "cancelled"]


async def test_what_has_begun_is_left_alone(service: Service) -> None:
    series = await a_paid_series(service)
    service.clock.advance(days=2)

    response = await cancel(service, series)

    assert statuses(response.json()) == ["confirmed", "cancelled", "cancelled"]


async def test_an_unpaid_series_is_given_up_as_a_whole(service: Service) -> None:
    series = await a_series(service)

    response = await cancel(
        service, series, from_session_id=series["sessions"][2]["id"]
    )

    assert statuses(response.json()) == ["cancelled"] * 3


async def test_nothing_left_to_cancel_is_a_wrong_status(service: Service) -> None:
    series = await a_series(service)
    await cancel(service, series)

    again = await cancel(service, series)
    path = f"/v1/series/{series['id']}/cancel/quote"
    quoted = await service.http.get(path, headers=its_student(series))

    assert (again.status_code, again.json()["slug"]) == (409, "wrong-status")
    assert again.json()["session_status"] == "cancelled"
    assert quoted.status_code == 409


async def test_a_session_of_another_series_is_no_start(service: Service) -> None:
    series, other = await a_series(service), await a_series(service)
    first = other["sessions"][0]["id"]

    response = await cancel(service, series, from_session_id=first)
    quoted = await service.http.get(
        f"/v1/series/{series['id']}/cancel/quote?from_session_id={first}",
        headers=its_student(series),
    )

    assert response.json()["errors"][0]["field"] == "body.from_session_id"
    assert quoted.json()["errors"][0]["field"] == "query.from_session_id"


async def test_the_coach_and_an_admin_give_all_back_with_a_reason(
    service: Service,
) -> None:
    for who in (given.coach, lambda _: given.admin()):
        series = await a_paid_series(service)
        service.clock.advance(hours=30)
        path, headers = (
            f"/v1/series/{series['id']}/cancel",
            who(UUID(series["coach_id"])),
        )

        silent = await service.http.post(path, json={}, headers=headers)
        said = await service.http.post(path, json={"reason": "ill"}, headers=headers)

        assert silent.json()["errors"][0]["field"] == "body.reason"
        assert said.status_code == 200, said.text
        refunds = [each["refund"]["percent"] for each in said.json()["sessions"]]
        assert refunds == [100, 100, 100]
        service.clock.advance(hours=-30)


Caller = Callable[[dict[str, Any]], dict[str, str]]

CALLERS: list[tuple[str, Caller, int]] = [
    ("nobody", lambda _: {}, 401),
    ("its student", its_student, 200),
    ("another student", lambda _: given.student(), 404),
    ("its coach", lambda series: given.coach(UUID(series["coach_id"])), 200),
    ("another coach", lambda _: given.coach(new_id()), 404),
    ("an admin", lambda _: given.admin(), 200),
]


@pytest.mark.parametrize("who", CALLERS, ids=lambda who: who[0])
async def test_a_series_is_seen_and_given_up_by_its_people_and_admins(
    service: Service, who: tuple[str, Caller, int]
) -> None:
    _, headers_of, status = who
    series = await a_series(service)
    path, headers = f"/v1/series/{series['id']}", headers_of(series)

    got = await service.http.get(path, headers=headers)
    quoted = await service.http.get(f"{path}/cancel/quote", headers=headers)
    gone = await service.http.post(
        f"{path}/cancel", json={"reason": "ill"}, headers=headers
    )

    assert [got.status_code, quoted.status_code, gone.status_code] == [status] * 3


async def test_cancels_of_one_series_at_once_end_alike(service: Service) -> None:
    series = await a_series(service, count=6)
    paths = [f"/v1/sessions/{each['id']}/cancel" for each in series["sessions"]]
    paths.append(f"/v1/series/{series['id']}/cancel")

    answers = await asyncio.gather(
        *(
            service.http.post(each, json={}, headers=its_student(series))
            for each in paths
        ),
        service.hear(a_payment(series)),
    )

    assert {each.status_code for each in answers if each} <= {200, 409}
    ended = await shown(service, series)
    assert set(statuses(ended)) == {"cancelled"}
    refused = len(await service.said("payment_refused"))
    confirmed = len(await service.said("seat_confirmed"))
    assert refused + confirmed == 6
