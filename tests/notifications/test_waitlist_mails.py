from shared.contracts.booking import SeatResoldV1
from tests.given import NOW
from tests.notifications.given import (
    World,
    a_changed_user,
    confirmed,
    offered,
    said_again,
    text_of,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"


def resold() -> SeatResoldV1:
    seat = confirmed().model_dump(exclude={"event_id", "correlation_id"})
    refund = {"amount": 2250, "currency": "EUR", "percent": 100, "rule": "resale"}
    return SeatResoldV1.model_validate(seat | {"refund": refund})


async def test_an_offer_tells_its_student_where_and_until_when(world: World) -> None:
    offer = offered(confirmed())
    await world.hear_of_both()

    await world.hear(offer, said_again(offer))
    await world.work()

    [mail] = world.mails(STUDENT)
    assert world.mails(COACH) == []
    assert mail["Subject"] == (
        "A time is free: Coaching with Kim, Friday, 19 June 2026 at 20:00"
    )
    for subtype in ("plain", "html"):
        reads = text_of(mail, subtype)
        for expected in (
            "A time you waited for is free, Ada",
            "Monday, 15 June 2026 at 14:30 (UTC+02:00, Europe/Berlin)",
            "Friday, 19 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)",
            "Rocket League",
            "€45.00",
            f"https://play.example/sessions/{offer.session_id}",
        ):
            assert expected in reads


async def test_an_offer_that_has_run_out_is_not_told(world: World) -> None:
    await world.hear_of_both()

    await world.hear(offered(confirmed(), expires_at=NOW))
    await world.work()

    assert world.mails() == []
    assert await world.states() == ["skipped"]


async def test_nobody_who_is_suspended_is_told_of_an_offer(world: World) -> None:
    await world.hear_of_both()
    await world.hear(a_changed_user(suspended=True))

    await world.hear(offered(confirmed()))
    await world.work()

    assert world.mails() == []


async def test_a_resale_tells_what_comes_back_after_all(world: World) -> None:
    sold = resold()
    await world.hear_of_both()

    await world.hear(sold, said_again(sold))
    await world.work()

    [mail] = world.mails(STUDENT)
    assert world.mails(COACH) == []
    assert mail["Subject"].startswith("€22.50 back: Coaching with Kim")
    for subtype in ("plain", "html"):
        assert "You get €22.50 back after all, Ada" in text_of(mail, subtype)
        assert f"https://play.example/sessions/{sold.session_id}" in text_of(
            mail, subtype
        )
