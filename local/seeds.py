"""The people and sessions a fresh local house starts with."""

from local.house import House
from services.accounts.actions import users
from services.accounts.domain import Role

PASSWORD = "scrimline-demo"  # noqa: S105 - printed on the start page

ADMIN = "admin@scrimline.example"


async def basics(house: House) -> None:
    """What every house needs: an admin and the games."""
    await admin(house)


async def plant(house: House) -> None:
    """Plant the demo data, once; a house that has it stays as it is."""
    await admin(house)


async def admin(house: House) -> None:
    """The admin everybody can be here; nothing happens if there is one."""
    state = house.apps["accounts"].state
    now = house.clock.now()
    async with state.sessions.begin() as session:
        if await users.find(session, ADMIN) is not None:
            return
        user = await users.register(
            session,
            email=ADMIN,
            password_hash=await state.passwords.hash(PASSWORD),
            display_name="Admin",
            timezone="UTC",
            locale="en",
            roles=["student"],
            now=now,
        )
        await users.add_role(session, user.id, Role.ADMIN, now)
