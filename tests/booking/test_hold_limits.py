from datetime import timedelta
from uuid import UUID

from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.given import NOW


async def test_a_student_is_in_one_place_at_a_time(service: Service) -> None:
    student_id = new_id()
    first = await given.a_hold(service, student_id=student_id)
    other = await given.a_coach(service)

    again = await given.book(service, UUID(first["coach_id"]), student_id)
    overlapping = await given.book(
        service, other, student_id, start=START + timedelta(minutes=30)
    )
    adjacent = await given.book(
        service, other, student_id, start=START + timedelta(minutes=60)
    )

    assert (again.status_code, again.json()["slug"]) == (409, "student-busy")
    assert overlapping.json()["slug"] == "student-busy"
    assert adjacent.status_code == 201


async def test_one_hold_with_a_coach_three_at_all(service: Service) -> None:
    student_id = new_id()
    coaches = [await given.a_coach(service) for _ in range(4)]
    for hours, coach_id in enumerate(coaches[:3]):
        await given.a_hold(
            service, coach_id, student_id, START + timedelta(hours=hours)
        )

    later = START + timedelta(hours=5)
    second = await given.book(service, coaches[0], student_id, later)
    fourth = await given.book(service, coaches[3], student_id, later)

    for refused in (second, fourth):
        assert (refused.status_code, refused.json()["slug"]) == (429, "too-many-holds")
        assert refused.headers["Retry-After"] == "900"


async def test_the_sixth_hold_with_a_coach_in_an_hour_is_refused(
    service: Service,
) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    for _ in range(5):
        held = await given.a_hold(service, coach_id, student_id)
        await service.http.post(
            f"/v1/sessions/{held['id']}/cancel",
            json={},
            headers=given.student(student_id),
        )
        service.clock.advance(minutes=1)

    sixth = await given.book(service, coach_id, student_id)
    service.clock.advance(minutes=55)
    an_hour_later = await given.book(service, coach_id, student_id)

    assert (sixth.status_code, sixth.headers["Retry-After"]) == (429, "3300")
    assert an_hour_later.status_code == 201


async def test_a_hold_that_ran_out_is_free_before_any_tick(service: Service) -> None:
    first = await given.a_hold(service)
    service.clock.advance(minutes=15)

    before = await given.shown(service, first)
    second = await given.book(service, UUID(first["coach_id"]))
    after = await given.shown(service, first)

    assert before["status"] == after["status"] == "expired"
    assert second.status_code == 201
    assert [str(each.seat_id) for each in await service.said("seat_expired")] == [
        first["seat_id"]
    ]
    assert after["history"][-1] == {
        "at": "2026-06-15T12:15:00Z",
        "from": "held",
        "to": "expired",
        "by": "system",
        "reason": None,
    }


async def test_a_hold_that_ran_out_does_not_keep_its_student(service: Service) -> None:
    student_id = new_id()
    await given.a_hold(service, student_id=student_id)
    service.clock.advance(minutes=15)

    elsewhere = await given.book(service, await given.a_coach(service), student_id)

    assert elsewhere.status_code == 201


async def test_a_tick_expires_what_was_due_by_then_once(service: Service) -> None:
    due = await given.a_hold(service)
    service.clock.advance(minutes=5)
    later = await given.a_hold(service)
    tick = MinuteTickV1(
        occurred_at=NOW,
        due_at=NOW + timedelta(minutes=15),
        previous_due_at=NOW,
    )
    again = tick.model_copy(update={"event_id": new_id()})

    await service.hear(tick, tick, again)

    assert [str(each.seat_id) for each in await service.said("seat_expired")] == [
        due["seat_id"]
    ]
    assert (await given.shown(service, later))["status"] == "held"
