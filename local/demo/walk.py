"""The steps of the demonstration. Each one says what a person needs to believe it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from local.demo.client import (
    Json,
    Person,
    attached_calendar,
    call,
    fail,
    patiently,
    say,
    until,
)
from local.settings import PASSWORD
from shared.ids import new_id

DECLINED = "4000 0000 0000 0002"
ACCEPTED = "4242 4242 4242 4242"
GAME = "valorant"
RATE = 4500

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")

Advance = Callable[[timedelta], Awaitable[datetime]]
"""Moves product time and returns the new now; by nothing, it only tells the time."""


@dataclass
class Walk:
    """One demonstration with people of its own, so that it can be shown again."""

    gateway: httpx2.AsyncClient
    mailbox: httpx2.AsyncClient
    advance: Advance
    run: str = ""

    def __post_init__(self) -> None:
        self.run = self.run or new_id().hex[-8:]
        self.coach = self.person("nova")
        self.student = self.person("sam")
        self.rival = self.person("robin")
        self.admin = Person(self.gateway, "admin@scrimline.example")

    def person(self, name: str) -> Person:
        return Person(self.gateway, f"{name}-{self.run}@example.com")

    async def main_job(self) -> None:
        await self.a_coach_opens_shop()
        await self.an_admin_verifies()
        slots = await self.a_student_finds_a_slot()
        session = await self.the_student_holds(slots[0])
        await self.a_card_is_declined(session)
        await self.the_payment_confirms(session)
        await self.both_get_mail(session)
        await self.a_rival_is_told_alternatives(slots[0])
        await self.cancelling_early_refunds_all()
        await self.cancelling_late_refunds_nothing()

    async def a_coach_opens_shop(self) -> None:
        """Registers, publishes a profile, a game and weekly hours in Berlin."""
        step("A coach in Berlin opens shop")
        await self.join(self.coach, "Nova", "Europe/Berlin", "coach")
        money = {"amount": RATE, "currency": "USD"}
        profile = {
            "headline": "From gold to immortal",
            "bio": "Ten years of competitive shooters; I teach aim that wins rounds.",
            "achievements": "Top 100 Europe",
            "experience_level": "professional",
            "years_experience": 6,
            "hourly_rate": money,
            "languages": ["en", "de"],
            "specializations": ["aim", "game sense"],
            "status": "active",
            "accepting_students": True,
        }
        await self.coach.post("/v1/coaches", profile)
        game = await self._game()
        await self.coach.put(
            f"/v1/coaches/{self.coach.id}/games/{GAME}",
            {"rank": game["ranks"][-1], "is_primary": True},
        )
        rules = [{"weekday": day, "start": "14:00", "end": "22:00"} for day in range(7)]
        stored = await self.coach.put(
            f"/v1/coaches/{self.coach.id}/schedule",
            {
                "timezone": "Europe/Berlin",
                "rules": rules,
                "overrides": [],
                "time_off": [],
            },
        )
        taught = f"{game['name']}, {game['ranks'][-1]} rank"
        show("profile", f"Nova teaches {taught}, {price(money)} an hour")
        show("hours", f"every day 14:00 to 22:00, {stored['timezone']}")

    async def _game(self) -> Json:
        page = {"limit": 100}
        games = (await call(self.gateway, "GET", "/v1/games", params=page))["items"]
        found: Json | None = next((it for it in games if it["slug"] == GAME), None)
        return found or fail(f"{GAME} is not among the games: {games}")
        return None

    async def an_admin_verifies(self) -> None:
        step("An admin verifies the coach")
        await self.admin.sign_in(PASSWORD)
        path = f"/v1/admin/coaches/{self.coach.id}/verify"
        await self.admin.post(path, {"notes": "rank proof seen"})
        seen = await self.coach.get(f"/v1/coaches/{self.coach.id}")
        show("verification", seen["verification"]["status"])

    async def a_student_finds_a_slot(self) -> list[Json]:
        """Finds the coach in the directory, and slots two days ahead and later."""
        step("A student in New York looks for a coach and a time")
        await self.join(self.student, "Sam", "America/New_York", "student")
        query = {"game": GAME, "currency": "USD", "sort": "new", "limit": 100}

        async def listed() -> list[Json]:
            found = (await self.student.get("/v1/coaches", **query))["items"]
            return [each for each in found if each["id"] == self.coach.id]

        [found] = await until("the coach in the directory", listed)
        show("found", f"{found['display_name']}: {found['headline']}")
        slots: list[Json] = await until("slots", self.slots)
        for slot in slots[:3]:
            show("free", f"{local(slot['start'])}  {price(slot['price'])}")
        return slots

    async def slots(self, ahead: int = 2, kind: str = "individual") -> list[Json]:
        """Free slots of three days, from `ahead` days on, as seen from New York."""
        now = await self.advance(timedelta(0))
        first = (now + timedelta(days=ahead)).astimezone(NEW_YORK).date()
        return await self.slots_from(first, kind)

    async def slots_from(self, first: date, kind: str = "individual") -> list[Json]:
        """Free slots of three dates in New York."""
        query = {
            "from": f"{first}",
            "to": f"{first + timedelta(days=2)}",
            "duration": 60,
            "timezone": "America/New_York",
            "game": GAME,
        }
        path = f"/v1/coaches/{self.coach.id}/slots"
        content = {"params": query, "headers": self.student.headers}
        response = await patiently(self.gateway, "GET", path, content)
        # 404: booking has not heard of the coach yet.
        days = response.json()["days"] if response.is_success else []
        listed = [slot for day in days for slot in day["slots"]]
        return [slot for slot in listed if slot["kind"] == kind]

    async def the_student_holds(self, slot: Json) -> Json:
        step("The student holds the slot for a quarter of an hour")
        session = await self.hold(slot)
        show("status", session["status"])
        show("held until", local(session["hold_expires_at"]))
        return session

    async def hold(self, slot: Json, who: Person | None = None) -> Json:
        """A seat of that slot's kind, for the student or for somebody else."""
        body = {
            "coach_id": self.coach.id,
            "start": slot["start"],
            "duration_minutes": 60,
            "game": GAME,
            "kind": slot["kind"],
            "goals": "win more opening duels",
            "expected_price": slot["price"],
        }
        return await (who or self.student).post("/v1/sessions", body, expect=201)

    async def book(self, slot: Json, who: Person | None = None) -> Json:
        """Hold and pay; the session once the webhook has confirmed it."""
        session = await self.hold(slot, who)
        await self.pay(session, who)
        return await self.confirmed(session, who)

    async def a_card_is_declined(self, session: Json) -> None:
        step(f"The card {DECLINED} is declined")
        payment = await self.payment(session)
        status, page = await self.checkout(payment, DECLINED)
        if status != 402:
            fail(f"the declined card was answered {status}: {page}")
        declined = await until(
            "the decline", lambda: self.payment(session), lambda p: p["last_error"]
        )
        show("Checkout said", "402, the card was declined")
        show("payment", f"{declined['status']}, {declined['last_error']}")

    async def payment(self, session: Json, who: Person | None = None) -> Json:
        """The payment of a session, opened if there is none; asked twice, the same."""
        body = {"session_id": session["id"]}
        payer = who or self.student
        return dict(await until("the payment", lambda: self._payment(body, payer)))

    async def _payment(self, body: Json, payer: Person) -> Json:
        content = {"json": body, "headers": payer.headers}
        response = await patiently(self.gateway, "POST", "/v1/payments", content)
        return {} if response.status_code == 409 else dict(response.json())

    async def checkout(self, payment: Json, card: str) -> tuple[int, str]:
        """Fill in Stripe's page, as a browser would; its status and its text."""
        form = {"card_number": card, "expiry": "12/34", "cvc": "123", "action": "pay"}
        async with httpx2.AsyncClient() as browser:
            response = await browser.post(payment["checkout_url"], data=form)
        return response.status_code, response.text

    async def the_payment_confirms(self, session: Json) -> None:
        step(f"The card {ACCEPTED} pays, and Stripe's webhook confirms")
        await self.pay(session)
        confirmed = await self.confirmed(session)
        paid = await self.student.get(f"/v1/payments/{confirmed['payment_id']}")
        show("payment", f"{paid['status']}, {price(paid['amount'])}")
        show("session", confirmed["status"])
        for move in confirmed["history"]:
            show("history", f"{move['from'] or 'new'} → {move['to']} by {move['by']}")

    async def pay(self, session: Json, who: Person | None = None) -> None:
        status, page = await self.checkout(await self.payment(session, who), ACCEPTED)
        if status != 303:
            fail(f"the payment was answered {status}: {page}")

    async def confirmed(self, session: Json, who: Person | None = None) -> Json:
        return await self.seen(session, "confirmed", who)

    async def seen(self, session: Json, status: str, who: Person | None = None) -> Json:
        """The session, once its student sees it in this status."""
        return dict(
            await until(
                f"a session that is {status}",
                lambda: (who or self.student).get(f"/v1/sessions/{session['id']}"),
                lambda seen: seen["status"] == status,
            )
        )

    async def both_get_mail(self, session: Json) -> None:
        step("Both sides get mail, each in their own time zone, with a calendar entry")
        for person, zone in ((self.student, NEW_YORK), (self.coach, BERLIN)):
            mail = await self.mail_to(person, session, "REQUEST")
            at = datetime.fromisoformat(session["start"]).astimezone(zone)
            if at.strftime("%H:%M") not in mail["text"] and (
                at.strftime("%-I:%M") not in mail["text"]
            ):
                fail(f"{at:%H:%M} is missing in the mail: {mail['text']}")
            show("mail", f"to {person.email}: {mail['subject']}")
            lines = mail["text"].splitlines()
            show("  says", next(line for line in lines if "UTC" in line).strip())
            show("  calendar", ", ".join(calendar_lines(attached_calendar(mail))))

    async def mail_to(self, person: Person, session: Json, method: str) -> Json:
        """The mail to a person about a session whose calendar entry has this METHOD."""
        signs = (f"METHOD:{method}", f"UID:{session['seat_id']}")

        async def look() -> Json | None:
            mails = await call_list(self.mailbox, "/api/messages", to=person.email)
            wanted = (
                mail
                for mail in mails
                if mail["attachments"]
                and all(sign in attached_calendar(mail) for sign in signs)
            )
            return next(wanted, None)

        return dict(await until(f"a mail to {person.email}", look))

    async def a_rival_is_told_alternatives(self, slot: Json) -> None:
        step("Another student wants the same slot and is told what else is free")
        await self.join(self.rival, "Robin", "Asia/Tokyo", "student")
        body = {
            "coach_id": self.coach.id,
            "start": slot["start"],
            "duration_minutes": 60,
            "game": GAME,
        }
        refusal = await self.rival.post("/v1/sessions", body, expect=409)
        if refusal["slug"] != "slot-taken" or not refusal["alternatives"]:
            fail(f"refused, but not as promised: {refusal}")
        show("refused", f"409 {refusal['slug']}")
        for each in refusal["alternatives"]:
            show("instead", f"{local(each['start'])}  {price(each['price'])}")

    async def cancelling_early_refunds_all(self) -> None:
        step("A session is cancelled 25 hours before it starts: all money back")
        session = await self._cancelled(hours=25)
        refund = session["refund"]
        if (refund["percent"], refund["amount"]["amount"]) != (100, RATE):
            fail(f"the refund should be full: {refund}")
        done = await until(
            "the refund",
            lambda: self.student.get(f"/v1/sessions/{session['id']}"),
            lambda seen: seen["refund"]["status"] == "succeeded",
        )
        paid = await self.student.get(f"/v1/payments/{session['payment_id']}")
        show("refund", f"{done['refund']['percent']} %, {price(refund['amount'])}")
        show("payment", paid["status"])

    async def cancelling_late_refunds_nothing(self) -> None:
        step("A session is cancelled 23 hours before it starts: nothing back")
        session = await self._cancelled(hours=23)
        paid = await self.student.get(f"/v1/payments/{session['payment_id']}")
        refund = session["refund"]
        if (refund and refund["percent"]) or paid["status"] != "succeeded":
            fail(f"nothing should be refunded: {refund}, {paid}")
        show("refund", "0 %")
        show("payment", paid["status"])

    async def _cancelled(self, hours: int) -> Json:
        """Book and pay a session two days ahead; cancel it `hours` before its start."""
        slots = await until("slots", self.slots)
        session = await self.book(slots[0])
        start = datetime.fromisoformat(session["start"])
        now = await self.advance(timedelta(0))
        now = await self.advance(start - timedelta(hours=hours) - now)
        show("clock", f"moved to {now:%Y-%m-%d %H:%M} UTC")
        show("start", local(session["start"]))
        path = f"/v1/sessions/{session['id']}"
        quote = await self.student.get(f"{path}/cancel/quote")
        show("quote", f"{quote['percent']} %, {price(quote['refund'])}")
        cancelled = await self.student.post(f"{path}/cancel", {"reason": "cannot come"})
        mail = await self.mail_to(self.coach, session, "CANCEL")
        show("coach's mail", f"{mail['subject']}")
        return cancelled

    async def join(self, who: Person, name: str, zone: str, role: str) -> None:
        body = {
            "email": who.email,
            "password": PASSWORD,
            "display_name": name,
            "timezone": zone,
            "roles": [role],
        }
        await call(self.gateway, "POST", "/v1/auth/register", json=body)
        await who.sign_in(PASSWORD)
        show(role, f"{name}, {who.email}, {zone}")


def step(title: str) -> None:
    say()
    say(f"● {title}")


def show(label: str, text: Any) -> None:
    say(f"    {label:<14}{text}")


def local(instant: str) -> str:
    """An instant in both zones of the demonstration."""
    at = datetime.fromisoformat(instant)
    there = at.astimezone(NEW_YORK).strftime("%a %d %b %H:%M %Z")
    return f"{there} = {at.astimezone(BERLIN).strftime('%a %H:%M %Z')}"


def price(money: Json) -> str:
    return f"{money['amount'] / 100:.2f} {money['currency']}"


def calendar_lines(text: str) -> list[str]:
    wanted = ("METHOD:", "UID:", "SEQUENCE:", "DTSTART")
    return [line.strip() for line in text.splitlines() if line.startswith(wanted)]


async def call_list(http: httpx2.AsyncClient, path: str, **params: str) -> list[Json]:
    response = await http.get(path, params=params)
    return list(response.json())
