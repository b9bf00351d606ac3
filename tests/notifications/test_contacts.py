import asyncio

from tests.notifications.given import ADA, World, a_changed_user, a_user


async def test_the_newest_of_what_accounts_said_is_kept(world: World) -> None:
    await world.hear(
        a_changed_user(version=3, email="third@mail.example", suspended=True),
        a_changed_user(version=2, email="second@mail.example"),
        a_user(),
    )

    contact = await world.contact(ADA)
    assert contact is not None
    assert contact.model_dump() == {
        "user_id": ADA,
        "version": 3,
        "email": "third@mail.example",
        "display_name": "Ada",
        "timezone": "Europe/Berlin",
        "locale": "en",
        "suspended": True,
    }


async def test_changes_heard_at_once_leave_the_newest(world: World) -> None:
    changes = [
        a_changed_user(version=version, email=f"v{version}@mail.example")
        for version in range(2, 12)
    ]

    await world.hear(a_user())
    await asyncio.gather(*(world.hear(change) for change in changes))

    contact = await world.contact(ADA)
    assert contact is not None
    assert (contact.version, contact.email) == (11, "v11@mail.example")
