from typing import Any

import pytest
from sqlalchemy import event

from shared.db import engine_of
from shared.ids import new_id
from tests.given import bearer
from tests.payments.given import World, a_seat_held


async def test_an_idempotency_key_belongs_to_one_body(world: World) -> None:
    seat, other = a_seat_held(), a_seat_held()
    payment = await world.open_payment(seat)
    key = {"Idempotency-Key": "k-1"}

    first = await world.ask_to_pay(seat, **key)
    again = await world.ask_to_pay(seat, **key)
    mixed_up = await world.client.post(
        "/v1/payments",
        json={"session_id": str(other.session_id)},
        headers=bearer(seat.student_id, "student") | key,
    )

    assert first.json() == again.json() == payment
    assert mixed_up.status_code == 422
    assert mixed_up.json()["slug"] == "idempotency-mismatch"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.session_id"),
        ({"session_id": "x"}, "body.session_id"),
        ({"session_id": str(new_id()), "series_id": str(new_id())}, "body.series_id"),
        ({"purchase_id": str(new_id())}, "body.purchase_id"),
        ({"session_id": str(new_id()), "tip": 5}, "body.tip"),
    ],
)
async def test_a_bad_request_names_the_field(
    world: World, body: dict[str, object], field: str
) -> None:
    response = await world.client.post(
        "/v1/payments", json=body, headers=bearer(new_id(), "student")
    )

    assert response.status_code == 422
    assert field in [error["field"] for error in response.json()["errors"]]


async def test_only_signed_in_students_pay(world: World) -> None:
    body = {"session_id": str(new_id())}

    anonymous = await world.client.post("/v1/payments", json=body)
    coach = await world.client.post(
        "/v1/payments", json=body, headers=bearer(new_id(), "coach")
    )

    assert (anonymous.status_code, coach.status_code) == (401, 403)


async def test_payments_are_listed_newest_first_to_their_payer(world: World) -> None:
    student = new_id()
    seats = [a_seat_held(student_id=student) for _ in range(3)]
    mine = [await world.open_payment(seat) for seat in seats]
    await world.open_payment(a_seat_held())
    headers = bearer(student, "student")

    first = (await world.client.get("/v1/payments?limit=2", headers=headers)).json()
    second = (
        await world.client.get(
            "/v1/payments",
            params={"limit": 2, "cursor": first["next_cursor"]},
            headers=headers,
        )
    ).json()

    assert first["items"] + second["items"] == mine[::-1]
    assert second["next_cursor"] is None


async def test_an_admin_sees_everybodys_payments(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    admin = bearer(new_id(), "admin")

    shown = await world.client.get(f"/v1/payments/{payment['id']}", headers=admin)
    listed = await world.client.get("/v1/payments", headers=admin)

    assert shown.json() == payment
    assert listed.json()["items"] == [payment]


async def test_others_do_not_see_a_payment(world: World) -> None:
    payment = await world.open_payment(a_seat_held())
    path, stranger = f"/v1/payments/{payment['id']}", bearer(new_id(), "student")

    assert (await world.client.get(path, headers=stranger)).status_code == 404
    assert (await world.client.get(path)).status_code == 401
    assert (await world.client.get("/v1/payments")).status_code == 401
    listed = await world.client.get("/v1/payments", headers=stranger)
    assert listed.json() == {"items": [], "next_cursor": None}
    unknown = await world.client.get(f"/v1/payments/{new_id()}", headers=stranger)
    assert unknown.status_code == 404


async def test_a_bad_cursor_or_id_is_explained(world: World) -> None:
    headers = bearer(new_id(), "student")

    cursor = await world.client.get("/v1/payments?cursor=x", headers=headers)
    identity = await world.client.get("/v1/payments/x", headers=headers)

    assert cursor.json()["errors"][0]["field"] == "query.cursor"
    assert identity.json()["errors"][0]["field"] == "path.payment_id"


async def test_a_list_costs_the_same_queries_however_long(world: World) -> None:
    student = new_id()
    counts = []
    for _ in range(2):
        for _ in range(2):
            await world.open_payment(a_seat_held(student_id=student))
        asked: list[str] = []
        engine = engine_of(world.sessions).sync_engine

        def note(*args: Any, asked: list[str] = asked) -> None:
            asked.append(args[2])

        event.listen(engine, "before_cursor_execute", note)
        await world.client.get("/v1/payments", headers=bearer(student, "student"))
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(asked))

    assert counts == [3, 3]
