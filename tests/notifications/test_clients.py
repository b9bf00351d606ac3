"""What is read out of a server's answers, over real sockets."""

from contextlib import nullcontext, suppress

import pytest

from services.notifications import clients
from services.notifications.clients import NotNow, Refused, Unanswered
from shared.errors import Outage
from tests.notifications.answering import CUT, SILENT, answering
from tests.notifications.given import a_postman

MAIL = b"Subject: x\r\n\r\n.dot\r\n..two\r\n"


async def deliver(port: int, recipient: str = "ada@mail.example") -> str:
    async with a_postman(port).connection() as connection:
        await connection.offer("us@scrimline.example", recipient)
        return await connection.hand_over(MAIL)


async def test_a_taken_mail_gives_the_servers_words() -> None:
    async with answering({".": "250 2.0.0 Queued as 7"}) as server:
        assert await deliver(server.port) == "250 2.0.0 Queued as 7"

    assert server.commands == [
        "EHLO scrimline.example",
        "MAIL FROM:<us@scrimline.example>",
        "RCPT TO:<ada@mail.example>",
        "DATA",
        "QUIT",
    ]
    assert server.mails == [b"Subject: x\r\n\r\n..dot\r\n...two\r\n.\r\n"]


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("GREETING", "554 go away", Outage),
        ("GREETING", "421 later", Outage),
        ("GREETING", CUT, Outage),
        ("EHLO", CUT, Outage),
        ("MAIL", "451 later", NotNow),
        ("MAIL", "550 not from you", NotNow),
        ("MAIL", CUT, Outage),
        ("RCPT", "450 greylisted", NotNow),
        ("RCPT", "550 nobody here", Refused),
        ("RCPT", "421 closing", Outage),
        ("RCPT", "nonsense", Outage),
        ("RCPT", CUT, Outage),
        ("DATA", "452 full", NotNow),
        ("DATA", "554 no", Refused),
        ("DATA", "250 what", Outage),
        ("DATA", CUT, Outage),
        (".", "451 later", NotNow),
        (".", "421 closing", Outage),
        (".", "550 spam", Refused),
        (".", "354 more", Unanswered),
        (".", "nonsense", Unanswered),
        (".", CUT, Unanswered),
    ],
)
async def test_every_answer_has_its_meaning(
    verb: str, answer: str, error: type[Exception]
) -> None:
    async with answering({verb: answer}) as server:
        with pytest.raises(error):
            await deliver(server.port)

    assert len(server.mails) == (verb == ".")


@pytest.mark.parametrize(("verb", "error"), [("RCPT", Outage), (".", Unanswered)])
async def test_a_silent_server_is_not_waited_for_for_ever(
    verb: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "COMMAND_TIMEOUT", 0.2)
    monkeypatch.setattr(clients, "ANSWER_TIMEOUT", 0.2)
    async with answering({verb: SILENT}) as server:
        with pytest.raises(error):
            await deliver(server.port)


async def test_a_connection_that_was_closed_is_opened_again() -> None:
    async with (
        answering({".": CUT}) as server,
        a_postman(server.port).connection() as connection,
    ):
        for _ in range(2):
            await connection.offer("us@scrimline.example", "ada@mail.example")
            with pytest.raises(Unanswered):
                await connection.hand_over(MAIL)
        assert server.connections == 2


async def test_an_abandoned_mail_never_reaches_the_server() -> None:
    async with (
        answering() as server,
        a_postman(server.port).connection() as connection,
    ):
        await connection.offer("us@scrimline.example", "ada@mail.example")
        connection.abandon()
        with pytest.raises(Outage):
            await connection.hand_over(MAIL)
        assert not server.mails


@pytest.mark.parametrize(
    "recipient", ["a@b.example\r\nRCPT TO:<x@y.z>", "a@b.example>\r\nDATA"]
)
async def test_an_address_cannot_carry_a_command(recipient: str) -> None:
    async with answering() as server:
        with suppress(Refused):
            await deliver(server.port, recipient)

    assert "x@y.z" not in "".join(server.commands)
    assert sum(each.startswith("DATA") for each in server.commands) <= 1


async def test_an_address_beyond_ascii_needs_a_server_that_knows_it() -> None:
    async with answering() as plain:
        with pytest.raises(Refused, match="SMTPUTF8"):
            await deliver(plain.port, "jörg@mail.example")
    async with answering({"EHLO": "250-here\r\n250 SMTPUTF8"}) as able:
        await deliver(able.port, "jörg@mail.example")

    assert "RCPT TO:<jörg@mail.example>" in able.commands
    assert "MAIL FROM:<us@scrimline.example> SMTPUTF8" in able.commands


async def test_nothing_is_said_in_clear_where_encryption_is_required() -> None:
    async with answering() as server:
        postman = a_postman(server.port, starttls="required")
        async with postman.connection() as connection:
            with pytest.raises(Outage):
                await connection.offer("us@scrimline.example", "ada@mail.example")

    assert [each.split()[0] for each in server.commands] == ["EHLO"]


@pytest.mark.parametrize(("answer", "welcome"), [("235 ok", True), ("535 no", False)])
async def test_a_password_that_is_wrong_is_an_outage_for_all_mails(
    answer: str, welcome: bool
) -> None:
    answers = {"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": answer}
    async with answering(answers) as server:
        postman = a_postman(server.port, username="us", password="secret")
        async with postman.connection() as connection:
            with nullcontext() if welcome else pytest.raises(Outage, match="535"):
                await connection.offer("us@scrimline.example", "ada@mail.example")
            connection.abandon()

    assert "AUTH PLAIN AHVzAHNlY3JldA==" in server.commands
    assert ("DATA" in server.commands) is welcome
