from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from local.mailbox.messages import links
from services.notifications.settings import NotificationsSettings
from shared.contracts import Event
from tests.notifications.given import (
    KIM,
    World,
    a_user,
    said_again,
    text_of,
    to_reset,
    to_verify,
)

STUDENT = "ada@mail.example"
BOTH = pytest.mark.parametrize(
    ("asked", "page"), [(to_verify, "verify-email"), (to_reset, "reset-password")]
)


@pytest.fixture
async def world(world: World) -> World:
    """Ada is known."""
    await world.hear(a_user())
    return world


@BOTH
async def test_the_link_bears_the_token(
    world: World, asked: Callable[..., Event], page: str
) -> None:
    await world.hear(asked(token="a&b=c d+e/ü"))
    await world.work()

    [mail] = world.mails(STUDENT)
    [message] = world.store.messages(STUDENT)
    assert "Ada" in text_of(mail)
    assert [part.get_content_type() for part in mail.walk()][1:] == [
        "text/plain",
        "text/html",
    ]
    urls = [urlsplit(each) for each in links(message) if "token=" in each]
    assert urls
    for url in urls:
        assert (
            f"{url.scheme}://{url.netloc}{url.path}" == f"https://play.example/{page}"
        )
        assert parse_qs(url.query) == {"token": ["a&b=c d+e/ü"]}


@BOTH
async def test_the_mail_waits_for_the_name_and_the_zone_that_belong_into_it(
    world: World, asked: Callable[..., Event], page: str
) -> None:
    await world.hear(asked(user_id=KIM, email="other@mail.example"))
    await world.work()
    assert not world.mails()

    await world.hear(a_user(KIM))
    await world.work()

    [mail] = world.mails("other@mail.example")
    assert page in text_of(mail)
    assert "Kim" in text_of(mail)
    assert "(UTC+05:30, Asia/Kolkata)" in text_of(mail)


@BOTH
async def test_a_sent_token_is_kept_nowhere(
    world: World, asked: Callable[..., Event], page: str
) -> None:
    await world.hear(asked(token="very-secret"))
    [before] = await world.deliveries()
    await world.work()

    [after] = await world.deliveries()
    assert (before.token, after.token) == ("very-secret", None)
    assert page in text_of(world.mails()[0])
    assert "very-secret" not in repr(before) + repr(after) + str(after.model_dump())


@BOTH
async def test_an_expired_token_is_not_sent_and_not_kept(
    world: World, asked: Callable[..., Event], page: str
) -> None:
    """By real time, whatever product time says."""
    world.clock.advance(days=-10)
    assert page
    await world.hear(asked(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    await world.work()

    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.token) == ("skipped", None)
    assert not world.mails()


async def test_a_token_outlives_refusals_and_goes_with_the_mail(world: World) -> None:
    await world.hear(to_verify())
    world.sink.refuse(1)
    await world.work()
    [refused] = await world.deliveries()
    assert refused.token is not None

    await world.skip_delays()
    await world.work()

    assert (await world.deliveries())[0].token is None
    assert len(world.mails()) == 1


@pytest.mark.parametrize("fault", ["refuse", "drop"])
async def test_a_token_goes_with_a_mail_that_is_lost_too(
    world: World, fault: str
) -> None:
    if fault == "refuse":
        world.sink.refuse(1, 550)
    else:
        world.sink.drop_after_data(1)
    await world.hear(to_verify())

    await world.work()

    [delivery] = await world.deliveries()
    assert delivery.token is None
    assert delivery.state == ("rejected" if fault == "refuse" else "unknown")


async def test_a_request_delivered_twice_is_mailed_once(world: World) -> None:
    request = to_verify()

    await world.hear(request, request)
    await world.work()
    await world.hear(request)
    await world.work()

    assert len(world.mails()) == 1


async def test_each_request_is_mailed(world: World) -> None:
    request = to_reset()

    await world.hear(request, said_again(request), to_verify())
    await world.work()

    assert len(world.mails()) == 3


async def test_an_address_beyond_ascii_is_reached(world: World) -> None:
    await world.hear(
        to_verify(email="jörg@exämple.com"), to_verify(email="jorg@exämple.com")
    )

    await world.work()

    assert {each.to for each in world.store.messages()} == {
        "jörg@exämple.com",
        "jorg@xn--exmple-cua.com",
    }


def test_a_password_never_goes_to_production_in_clear() -> None:
    values = {
        "database_url": "postgresql://x",
        "amqp_url": "amqp://x",
        "public_url": "https://play.example",
        "smtp_host": "smtp.example",
        "smtp_username": "us",
        "smtp_password": "secret",
        "mail_from": "Play <play@play.example>",
    }

    with pytest.raises(ValidationError, match="smtp_starttls=required"):
        NotificationsSettings.model_validate(values)
    safe = NotificationsSettings.model_validate(values | {"smtp_starttls": "required"})
    assert (safe.mail_from.name, safe.mail_from.email) == ("Play", "play@play.example")
    assert "secret" not in repr(safe)
