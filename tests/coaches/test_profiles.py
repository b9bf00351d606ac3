import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Money
from shared.contracts.booking import SeatConfirmedV1, SeatHeldV1
from shared.ids import new_id
from tests.coaches.given import Service, an_application, refused_fields, usd
from tests.given import bearer

EUR = {"amount": 4000, "currency": "EUR"}


async def test_a_change_keeps_what_was_left_out(service: Service) -> None:
    coach_id = await service.a_coach(
        group_rate=usd(2000), profile_video_url="https://video.example/kim"
    )

    response = await service.change(
        coach_id, headline="New", hourly_rate=usd(5000), profile_video_url=None
    )

    assert response.status_code == 200, response.text
    seen = response.json()
    assert seen["headline"] == "New"
    assert (seen["hourly_rate"], seen["group_rate"]) == (usd(5000), usd(2000))
    assert seen["profile_video_url"] is None
    assert seen["bio"] == an_application()["bio"]
    assert seen["verification"]["status"] == "verified"
    public = await service.http.get(f"/v1/coaches/{coach_id}")
    assert public.json() == seen


async def test_only_a_change_of_what_was_told_is_told(service: Service) -> None:
    coach_id = await service.a_coach()

    await service.change(coach_id, headline="New", bio="Newer")
    await service.change(coach_id, hourly_rate=usd(4500))
    await service.change(coach_id, group_rate=usd(2000))
    await service.change(coach_id, group_rate=None)

    told = await service.told(coach_id)
    assert [(each.version, each.group_rate) for each in told] == [
        (1, None),
        (2, None),
        (3, 2000),
        (4, None),
    ]


async def test_changes_at_once_are_told_one_after_the_other(service: Service) -> None:
    coach_id = await service.a_coach()

    await asyncio.gather(
        *(service.change(coach_id, hourly_rate=usd(5000 + n)) for n in range(6))
    )

    told = await service.told(coach_id)
    assert [each.version for each in told] == list(range(1, 9))
    seen = (await service.http.get(f"/v1/coaches/{coach_id}")).json()
    assert seen["hourly_rate"] == usd(told[-1].hourly_rate)


@pytest.mark.parametrize(
    ("change", "public", "listed"),
    [
        ({"accepting_students": False}, 200, []),
        ({"status": "on_break"}, 200, []),
        ({"status": "inactive"}, 404, []),
        ({"status": "active"}, 200, ["Kim"]),
    ],
)
async def test_a_coach_decides_whether_to_be_listed_and_seen(
    service: Service, change: dict[str, Any], public: int, listed: list[str]
) -> None:
    coach_id = await service.a_coach()
    path = f"/v1/coaches/{coach_id}"

    assert (await service.change(coach_id, **change)).status_code == 200

    assert (await service.http.get(path)).status_code == public
    assert (await service.http.get(path, headers=bearer(coach_id))).status_code == 200
    assert (await service.http.get(path, headers=service.admin)).status_code == 200
    assert await service.found() == listed
    assert (await service.told(coach_id))[-1].listed == bool(listed)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"headline": None}, "body.headline"),
        ({"hourly_rate": None}, "body.hourly_rate"),
        ({"hourly_rate": usd(10)}, "body.hourly_rate.amount"),
        ({"hourly_rate": EUR}, "body.group_rate.currency"),
        ({"group_rate": EUR}, "body.group_rate.currency"),
        ({"status": "draft"}, "body.status"),
        ({"display_name": "Kim"}, "body.display_name"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    service: Service, change: dict[str, Any], field: str
) -> None:
    coach_id = await service.a_coach(group_rate=usd(2000))
    before = (await service.http.get(f"/v1/coaches/{coach_id}")).json()

    response = await service.change(coach_id, **change)

    assert refused_fields(response) == [field]
    assert (await service.http.get(f"/v1/coaches/{coach_id}")).json() == before


async def test_the_currency_changes_with_all_rates_before_the_first_sale(
    service: Service,
) -> None:
    coach_id = await service.a_coach(group_rate=usd(2000))

    response = await service.change(coach_id, hourly_rate=EUR, group_rate=EUR)

    assert response.json()["hourly_rate"] == EUR
    assert response.json()["group_rate"] == EUR


async def test_the_currency_stays_while_a_game_bears_a_rate(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()
    await service.teach(coach_id, hourly_rate=usd(6000))

    response = await service.change(coach_id, hourly_rate=EUR)
    await service.teach(coach_id)
    freed = await service.change(coach_id, hourly_rate=EUR)

    assert response.status_code == 409
    assert response.json()["slug"] == "currency-fixed"
    assert freed.status_code == 200


def a_hold(service: Service, coach_id: UUID) -> SeatHeldV1:
    return SeatHeldV1(
        occurred_at=service.clock.now(),
        seat_id=new_id(),
        session_id=new_id(),
        coach_id=coach_id,
        student_id=new_id(),
        start=service.clock.now(),
        end=service.clock.now(),
        kind="individual",
        price=Money(amount=4500, currency="USD"),
        fee_percent=15,
        hold_expires_at=service.clock.now(),
    )


async def test_the_first_hold_fixes_the_currency_also_once_it_has_expired(
    service: Service,
) -> None:
    coach_id = await service.a_coach()

    await service.hear(a_hold(service, coach_id))
    await service.hear(a_hold(service, new_id()))
    service.clock.advance(days=1)

    changed = await service.change(coach_id, hourly_rate=EUR)
    assert (changed.status_code, changed.json()["slug"]) == (409, "currency-fixed")
    assert "USD" in changed.json()["detail"]
    same = await service.change(coach_id, hourly_rate=usd(9000))
    assert same.status_code == 200


@pytest.mark.parametrize(("paid_by", "status"), [("money", 409), ("free", 200)])
async def test_a_sale_fixes_the_currency_also_before_its_hold_is_heard_of(
    service: Service, paid_by: str, status: int
) -> None:
    coach_id = await service.a_coach()
    sale = SeatConfirmedV1.model_validate(
        {
            "occurred_at": service.clock.now(),
            "seat_id": new_id(),
            "session_id": new_id(),
            "coach_id": coach_id,
            "student_id": new_id(),
            "start": service.clock.now(),
            "end": service.clock.now(),
            "game": None,
            "kind": "individual",
            "start_version": 1,
            "paid_by": paid_by,
            "goals": None,
        }
    )

    await service.hear(sale)
    await service.hear(sale.model_copy(update={"coach_id": new_id()}))

    changed = await service.change(coach_id, hourly_rate=EUR)
    assert changed.status_code == status, changed.text
    same = await service.change(coach_id, hourly_rate=usd(9000))
    assert same.status_code == 200


async def test_a_profile_is_changed_by_its_owner_alone(service: Service) -> None:
    public, hidden = await service.a_coach(), await service.an_applicant()
    stranger = bearer(new_id(), "coach")

    async def patch(coach_id: object, headers: dict[str, str]) -> int:
        response = await service.http.patch(
            f"/v1/coaches/{coach_id}", json={"headline": "Mine"}, headers=headers
        )
        return response.status_code

    assert await patch(public, {}) == 401
    assert await patch(public, stranger) == 403
    assert await patch(public, service.admin) == 403
    assert await patch(hidden, stranger) == 404
    assert await patch(new_id(), stranger) == 404
    nobody_yet = new_id()
    assert await patch(nobody_yet, bearer(nobody_yet)) == 404


async def test_an_unknown_coach_is_not_found(service: Service) -> None:
    assert (await service.http.get(f"/v1/coaches/{new_id()}")).status_code == 404
    malformed = await service.http.get("/v1/coaches/kim")
    assert refused_fields(malformed) == ["path.id"]
