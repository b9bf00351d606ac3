from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.contracts import Money
from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.given import NOW

PAID = 6000
TIERS = {"cancellation_tiers": [[48, 100], [24, 50], [0, 0]]}


async def cancel(
    service: Service,
    session: dict[str, Any],
    headers: dict[str, str] | None = None,
    reason: str | None = None,
) -> httpx2.Response:
    return await service.http.post(
        f"/v1/sessions/{session['id']}/cancel",
        json={"reason": reason},
        headers=headers or given.student(UUID(session["student_id"])),
    )


async def quote(
    service: Service, session: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await service.http.get(
        f"/v1/sessions/{session['id']}/cancel/quote",
        headers=headers or given.student(UUID(session["student_id"])),
    )


async def test_a_cancelled_hold_frees_its_time_at_once(service: Service) -> None:
    held = await given.a_hold(service)

    response = await cancel(service, held)

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "cancelled"
    assert response.json()["cancelled_by"] == "student"
    assert response.json()["refund"] is None
    [event] = await service.said("seat_cancelled")
    assert (event.was, event.by, event.refund) == ("held", "student", None)
    assert (await given.book(service, UUID(held["coach_id"]))).status_code == 201


@pytest.mark.parametrize(
    ("ahead", "policy", "percent", "tier"),
    [
        (timedelta(hours=24), None, 100, "tier 24h"),
        (timedelta(hours=24) - timedelta(seconds=1), None, 0, "tier 0h"),
        (timedelta(hours=30), TIERS, 50, "tier 24h"),
    ],
)
async def test_the_quote_is_what_the_cancellation_does(
    service: Service,
    ahead: timedelta,
    policy: dict[str, Any] | None,
    percent: int,
    tier: str,
) -> None:
    coach_id = await given.a_coach(service, policy=policy)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await service.clock.until(START - ahead)

    quoted = (await quote(service, paid)).json()
    cancelled = (await cancel(service, paid)).json()

    refund = PAID * percent // 100
    assert quoted["percent"] == percent
    assert quoted["tier"] == tier
    assert quoted["refund"] == {"amount": refund, "currency": "USD"}
    assert given.instant(quoted["quoted_at"]) == START - ahead
    assert cancelled["refund"] == {
        "amount": {"amount": refund, "currency": "USD"},
        "percent": percent,
        "status": "pending" if refund else "succeeded",
    }
    [event] = await service.said("seat_cancelled")
    assert (event.refund.amount, event.refund.percent) == (refund, percent)
    assert (event.was, event.sequence) == ("confirmed", 1)


async def test_of_three_decimals_only_what_stripe_can_move_is_charged_and_given_back(
    service: Service,
) -> None:
    coach_id = await given.a_coach(
        service,
        currency="KWD",
        hourly_rate=30_025,
        policy={"cancellation_tiers": [[48, 100], [24, 50], [0, 0]]},
    )
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    service.clock.advance(hours=1)

    quoted = (await quote(service, paid)).json()

    assert paid["price"] == {"amount": 30_030, "currency": "KWD"}
    assert quoted["refund"] == {"amount": 15_020, "currency": "KWD"}


async def test_within_minutes_of_paying_everything_comes_back(service: Service) -> None:
    soon = NOW + timedelta(hours=3)
    paid = await given.a_confirmed_seat(service, start=soon)
    service.clock.advance(minutes=15)

    quoted = (await quote(service, paid)).json()
    service.clock.advance(seconds=1)
    later = (await quote(service, paid)).json()

    assert (quoted["percent"], quoted["tier"]) == (100, "grace")
    assert quoted["free_until"] == "2026-06-15T12:15:00Z"
    assert later["percent"] == 0


async def test_the_terms_are_those_of_the_day_it_was_booked(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await given.put(
        service,
        UUID(paid["coach_id"]),
        "booking-policy",
        {"cancellation_tiers": [[100, 100], [0, 0]]},
    )
    await service.clock.until(START - timedelta(hours=30))

    assert (await quote(service, paid)).json()["percent"] == 100


@pytest.mark.parametrize("who", ["coach", "admin"])
async def test_coach_and_admin_give_everything_back_and_say_why(
    service: Service, who: str
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START - timedelta(hours=1))
    headers = given.coach(UUID(paid["coach_id"])) if who == "coach" else given.admin()

    silent = await cancel(service, paid, headers)
    blank = await cancel(service, paid, headers, reason="  ")
    told = await cancel(service, paid, headers, reason="ill")

    assert silent.status_code == blank.status_code == 422
    assert silent.json()["errors"][0]["field"] == "body.reason"
    assert told.json()["refund"]["amount"]["amount"] == PAID
    assert told.json()["cancelled_by"] == who
    assert told.json()["history"][-1]["reason"] == "ill"
    [event] = await service.said("seat_cancelled")
    assert (event.by, event.reason) == (who, "ill")


async def test_a_cancelled_seat_is_not_cancelled_again(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await cancel(service, paid)

    again, quoted = await cancel(service, paid), await quote(service, paid)

    assert again.status_code == quoted.status_code == 409
    assert again.json()["slug"] == quoted.json()["slug"] == "wrong-status"
    assert again.json()["status"] == quoted.json()["status"] == 409
    assert quoted.json()["session_status"] == "cancelled"
    assert len(await service.said("seat_cancelled")) == 1


async def test_from_the_start_on_a_student_cannot_cancel(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START)

    response = await cancel(service, paid)

    assert (response.status_code, response.json()["slug"]) == (409, "wrong-status")
    assert (await given.shown(service, paid))["status"] == "confirmed"


async def test_a_hold_that_ran_out_is_not_cancelled(service: Service) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=15)

    assert (await cancel(service, held)).json()["slug"] == "wrong-status"


@pytest.mark.parametrize("call", [cancel, quote])
async def test_a_session_of_others_is_nowhere_and_nobody_must_sign_in(
    service: Service, call: Any
) -> None:
    held = await given.a_hold(service)

    foreign = [
        await call(service, held, given.student()),
        await call(service, held, given.coach(new_id())),
        await call(service, held | {"id": new_id()}, given.admin()),
    ]
    anonymous = await call(service, held, {"X-Nothing": "1"})

    assert [each.status_code for each in foreign] == [404, 404, 404]
    assert anonymous.status_code == 401
    assert (await given.shown(service, held))["status"] == "held"


async def test_a_free_seat_owes_nothing(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)
    free = await given.a_hold(service, coach_id)

    assert (await cancel(service, free)).json()["refund"] is None
    [event] = await service.said("seat_cancelled")
    assert (event.was, event.refund) == ("confirmed", None)


async def test_a_key_cancels_once_and_answers_the_same(service: Service) -> None:
    held = await given.a_hold(service)
    headers = given.student(UUID(held["student_id"])) | {"Idempotency-Key": "k"}

    first = await cancel(service, held, headers)
    again = await cancel(service, held, headers)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()


@pytest.mark.parametrize("reason", [7, "x" * 501, "a\x00"])
async def test_a_malformed_reason_is_refused(service: Service, reason: Any) -> None:
    held = await given.a_hold(service)

    response = await cancel(service, held, reason=reason)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.reason"


async def test_the_refund_shows_how_far_it_has_come(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await cancel(service, paid)
    told = {
        "payment_id": paid["payment_id"],
        "refund_id": new_id(),
        "seat_id": paid["seat_id"],
        "amount": Money(**paid["price"]),
    }
    failed = RefundFailedV1(
        occurred_at=NOW + timedelta(minutes=1), reason="closed", **told
    )
    done = PaymentRefundedV1(occurred_at=NOW + timedelta(minutes=2), **told)

    await service.hear(failed)
    first = (await given.shown(service, paid))["refund"]["status"]
    await service.hear(done, failed.model_copy(update={"event_id": new_id()}))
    second = (await given.shown(service, paid))["refund"]["status"]

    assert (first, second) == ("failed", "succeeded")


async def test_the_refund_of_another_payment_changes_nothing(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await cancel(service, paid)

    await service.hear(
        PaymentRefundedV1(
            occurred_at=NOW,
            payment_id=new_id(),
            refund_id=new_id(),
            seat_id=UUID(paid["seat_id"]),
            amount=Money(**paid["price"]),
        )
    )

    assert (await given.shown(service, paid))["refund"]["status"] == "pending"
