import asyncio

from faststream.rabbit import TestRabbitBroker
from sqlmodel import col, select

from services.coaches.models import User
from shared.contracts.accounts import UserRegisteredV1
from shared.ids import new_id
from tests.coaches.given import Service, an_application
from tests.given import bearer, deliver


async def test_an_application_may_come_before_the_user_is_known(
    service: Service,
) -> None:
    user_id = new_id()

    response = await service.http.post(
        "/v1/coaches", json=an_application(), headers=bearer(user_id)
    )
    verified = await service.decide(user_id, "verify")

    assert response.json()["display_name"] is None
    assert verified.status_code == 200
    assert await service.told(user_id) == []
    assert await service.found() == []

    await service.hear_user(user_id)

    [told] = await service.told(user_id)
    assert (told.version, told.display_name, told.listed) == (1, "Kim", True)
    assert await service.found() == ["Kim"]


async def test_an_application_and_its_user_at_once_are_told_with_the_name(
    service: Service,
) -> None:
    users = [new_id() for _ in range(5)]

    await asyncio.gather(
        *(
            step
            for user_id in users
            for step in (
                service.http.post(
                    "/v1/coaches", json=an_application(), headers=bearer(user_id)
                ),
                service.hear_user(user_id),
            )
        )
    )

    for user_id in users:
        [told] = await service.told(user_id)
        assert (told.version, told.display_name) == (1, "Kim")


async def test_an_event_delivered_twice_acts_once(service: Service) -> None:
    user_id = new_id()
    await service.http.post(
        "/v1/coaches", json=an_application(), headers=bearer(user_id)
    )
    registered = UserRegisteredV1(
        occurred_at=service.clock.now(),
        user_id=user_id,
        version=1,
        email="kim@example.com",
        email_verified=False,
        display_name="Kim",
        timezone="Europe/Berlin",
        locale="en",
        roles=["coach"],
        suspended=False,
    )

    async with TestRabbitBroker(service.app.state.parts.broker) as broker:
        await deliver(broker, registered, registered)

    [told] = await service.told(user_id)
    assert told.display_name == "Kim"


async def test_an_older_version_of_a_user_is_ignored(service: Service) -> None:
    coach_id = await service.a_coach()

    await service.hear_user(coach_id, version=3, display_name="Kim the Third")
    await service.hear_user(coach_id, version=2, display_name="Kim the Second")
    await service.hear_user(coach_id, version=1, display_name="Kim the First")

    told = await service.told(coach_id)
    assert [each.display_name for each in told] == ["Kim", "Kim", "Kim the Third"]
    assert await service.found(q="third") == ["Kim the Third"]
    assert await service.found(q="second") == []


async def test_a_suspended_coach_is_neither_listed_nor_seen_until_reinstated(
    service: Service,
) -> None:
    coach_id = await service.a_coach()
    path = f"/v1/coaches/{coach_id}"

    await service.hear_user(coach_id, version=2, suspended=True)
    assert await service.found() == []
    assert (await service.http.get(path)).status_code == 404

    await service.hear_user(coach_id, version=3, suspended=False)
    assert await service.found() == ["Kim"]
    assert (await service.http.get(path)).status_code == 200
    told = await service.told(coach_id)
    assert [each.listed for each in told] == [False, True, False, True]
    assert all(each.verified for each in told[1:])


async def test_a_change_that_nobody_would_notice_is_not_told_again(
    service: Service,
) -> None:
    coach_id = await service.a_coach()

    await service.hear_user(coach_id, version=2, timezone="Asia/Tokyo")

    assert len(await service.told(coach_id)) == 2
    seen = (await service.http.get(f"/v1/coaches/{coach_id}")).json()
    assert seen["timezone"] == "Asia/Tokyo"


async def test_a_user_who_never_applies_is_only_remembered(service: Service) -> None:
    user_id = new_id()

    await service.hear_user(user_id, roles=["student"])

    assert await service.told(user_id) == []
    async with service.sessions() as session:
        query = select(User).where(col(User.id) == user_id)
        assert (await session.exec(query)).one().display_name == "Kim"
