"""Three students share a session, and a fourth is told that it is full."""

from local.demo.client import Json, Person, fail, patiently, until
from local.demo.walk import GAME, Walk, local, price, show, step

GROUP_RATE = 2000

POLICY = {
    "horizon_days": 365,
    "group": {"enabled": True, "capacity": 3, "min_participants": 2},
}


async def a_group_of_three(walk: Walk) -> None:
    step("Three students share a group session; a fourth finds it full")
    await _the_coach_offers_groups(walk)
    kai, fourth = walk.person("kai"), walk.person("ling")
    await walk.join(kai, "Kai", "Asia/Kolkata", "student")
    await walk.join(fourth, "Ling", "Australia/Sydney", "student")
    slots = await until("group slots", lambda: walk.slots(kind="group"))
    slot = slots[0]
    offer = f"{slot['seats_left']} seats, {price(slot['price'])}"
    show("offered", f"{local(slot['start'])}  {offer}")
    for student in (walk.student, walk.rival, kai):
        session = await walk.book(slot, student)
        if session["seats"] is not None:
            fail(f"a student should not see other seats: {session['seats']}")
        show("joined", f"{student.email}; seats left: {session['seats_left']}")
    seen = await walk.coach.get(f"/v1/sessions/{session['id']}")
    show("coach sees", f"{len(seen['seats'])} seats, all {seen['status']}")
    await _nobody_joins_a_full_group(walk, fourth, slot)


async def _the_coach_offers_groups(walk: Walk) -> None:
    rate = {"amount": GROUP_RATE, "currency": "USD"}
    path = f"/v1/coaches/{walk.coach.id}"
    await walk.coach.patch(path, {"group_rate": rate})

    async def stored() -> Json:
        """Nothing as long as booking has not heard of the rate."""
        content = {"json": POLICY, "headers": walk.coach.headers}
        path_to = f"{path}/booking-policy"
        response = await patiently(walk.gateway, "PUT", path_to, content)
        return dict(response.json()) if response.is_success else {}

    policy = await until("the policy for groups", stored)
    group = policy["group"]
    seats = f"{group['min_participants']} to {group['capacity']} students"
    show("groups of", f"{seats}, {price(rate)} an hour each")


async def _nobody_joins_a_full_group(walk: Walk, late: Person, slot: Json) -> None:
    body = {
        "coach_id": walk.coach.id,
        "start": slot["start"],
        "duration_minutes": 60,
        "game": GAME,
        "kind": "group",
    }
    refusal = await late.post("/v1/sessions", body, expect=409)
    if refusal["slug"] != "slot-taken":
        fail(f"refused, but not as promised: {refusal}")
    show("refused", f"409 {refusal['slug']}, {refusal['detail']}")
