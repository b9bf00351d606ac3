import asyncio
from collections.abc import AsyncIterator, Iterator

import aiosmtplib
import pytest

from local.mailbox import Sink, Store, start_smtp
from tests.local.mailbox.given import a_mail


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


@pytest.fixture
async def sink(store: Store) -> AsyncIterator[Sink]:
    sink = await start_smtp("127.0.0.1", 0, store)
    yield sink
    await sink.close()


async def send(sink: Sink, subject: str = "hi") -> None:
    await aiosmtplib.send(a_mail(subject=subject), hostname="127.0.0.1", port=sink.port)


def subjects(store: Store) -> list[str]:
    return [message.subject for message in store.messages()]


async def test_a_mail_sent_is_in_the_box(sink: Sink, store: Store) -> None:
    await send(sink, "one")
    await send(sink, "two")
    assert subjects(store) == ["two", "one"]


async def test_a_blind_copy_is_delivered_though_no_header_names_it(
    sink: Sink, store: Store
) -> None:
    await aiosmtplib.send(
        a_mail(), recipients=["hidden@x.org"], hostname="127.0.0.1", port=sink.port
    )
    (message,) = store.messages(to="hidden@x.org")
    assert message.to == "hidden@x.org"
    assert message.headers["To"] == "student1@scrimline.example"


async def test_many_senders_at_once_lose_nothing(sink: Sink, store: Store) -> None:
    await asyncio.gather(*(send(sink, f"{number}") for number in range(30)))
    assert sorted(map(int, subjects(store))) == list(range(30))


@pytest.mark.parametrize("code", [451, 550])
async def test_the_next_mails_are_refused_and_then_taken_again(
    sink: Sink, store: Store, code: int
) -> None:
    sink.refuse(2, code=451 if code == 451 else 550)
    for _ in range(2):
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await send(sink)
        assert refused.value.code == code
    assert subjects(store) == []
    await send(sink, "at last")
    assert subjects(store) == ["at last"]


async def test_a_dropped_connection_leaves_the_sender_in_doubt_and_the_mail_in_the_box(
    sink: Sink, store: Store
) -> None:
    sink.drop_after_data(1)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(sink, "was it taken?")
    assert subjects(store) == ["was it taken?"]
    await send(sink, "next")
    assert subjects(store) == ["next", "was it taken?"]


async def test_closing_cuts_connections_and_another_sink_takes_the_port(
    store: Store,
) -> None:
    first = await start_smtp("127.0.0.1", 0, store)
    port = first.port
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port)
    await client.connect()
    await first.close()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    client.close()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await aiosmtplib.send(a_mail(), hostname="127.0.0.1", port=port)

    second = await start_smtp("127.0.0.1", port, store)
    await send(second, "up again")
    await second.close()
    assert subjects(store) == ["up again"]


async def test_a_port_that_is_taken_is_an_error(sink: Sink, store: Store) -> None:
    with pytest.raises(OSError, match="in use"):
        await start_smtp("127.0.0.1", sink.port, store)
