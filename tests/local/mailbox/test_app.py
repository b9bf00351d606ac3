import re
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import SMTP

import httpx2
import pytest

from local.mailbox import Store, create_app
from local.mailbox.messages import read_mail
from tests.local.mailbox.given import CALENDAR, a_mail, an_invitation

STUDENT = "student1@scrimline.example"


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


@pytest.fixture
async def browser(store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(create_app(store), raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://mailbox"
    ) as browser:
        yield browser


def put(store: Store, mail: EmailMessage, *recipients: str) -> int:
    source = mail.as_bytes(policy=SMTP)
    to = recipients or (STUDENT,)
    return store.add(read_mail(source, to), source, to)


async def test_the_list_has_the_documented_fields(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    added = put(store, an_invitation())
    (message,) = (await browser.get("/api/messages")).json()
    assert message["id"] == added
    assert message["to"] == STUDENT
    assert message["from"] == "Scrimline <no-reply@scrimline.example>"
    assert message["subject"] == "You are booked"
    assert message["text"].startswith("See you at 14:00.")
    assert "<b>you</b>" in message["html"]
    assert message["headers"]["To"] == STUDENT
    assert message["attachments"][0] == {
        "filename": None,
        "content_type": "text/calendar",
        "content": CALENDAR,
    }
    assert set(message) == {
        *("id", "to", "from", "subject", "text", "html", "headers", "attachments")
    }


async def test_the_list_is_newest_first_and_can_be_asked_for_one_address(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    ids = [put(store, a_mail(), to) for to in ("a@x.org", "b@x.org", "a@x.org")]
    everything = (await browser.get("/api/messages")).json()
    assert [message["id"] for message in everything] == ids[::-1]
    found = (await browser.get("/api/messages", params={"to": "A@x.org"})).json()
    assert [message["id"] for message in found] == [ids[2], ids[0]]


async def test_deleting_empties_the_box_and_can_be_repeated(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    put(store, a_mail())
    for _ in range(2):
        assert (await browser.delete("/api/messages")).status_code == 204
        assert (await browser.get("/api/messages")).json() == []


async def test_the_inbox_lists_and_pages(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    for number in range(60):
        put(store, a_mail(subject=f"Mail {number}."), "a+b@x.org")
    first = await browser.get("/", params={"to": "a+b@x.org"})
    assert "Mail 59." in first.text
    assert "Mail 10." in first.text
    assert "Mail 9." not in first.text
    older = re.search(r'href="(/\?[^"]*before=[^"]*)"', first.text)
    assert older is not None
    second = await browser.get(older[1].replace("&amp;", "&"))
    assert "Mail 9." in second.text
    assert "Mail 10." not in second.text


async def test_an_empty_search_shows_everybodys_mail(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    put(store, a_mail())
    assert "You are booked" in (await browser.get("/?to=")).text


async def test_a_message_shows_its_html_in_a_sandbox(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    added = put(store, an_invitation())
    page = await browser.get(f"/messages/{added}")
    assert (
        f'<iframe sandbox title="The mail\'s HTML" src="/messages/{added}/html">'
        in (page.text)
    )
    assert 'href="https://scrimline.example/s/1"' in page.text
    assert "javascript:" not in page.text

    inside = await browser.get(f"/messages/{added}/html")
    assert "<script>" in inside.text
    policy = inside.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script-src" not in policy


async def test_a_message_of_text_alone_shows_its_text(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    added = put(store, a_mail())
    page = await browser.get(f"/messages/{added}")
    assert "See you at 14:00." in page.text
    assert "<iframe" not in page.text
    assert (await browser.get(f"/messages/{added}/html")).status_code == 404


async def test_nothing_of_a_mail_becomes_markup_of_a_page(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    mail = a_mail(subject="<script>alert(1)</script>")
    mail.set_content('<img src=x onerror="alert(1)">')
    mail.add_attachment("x", filename='"><script>alert(2)</script>')
    added = put(store, mail, '"<script>"@x.org')
    for path in ("/", f"/messages/{added}?view=text"):
        page = await browser.get(path)
        assert "<script>" not in page.text
        assert "<img" not in page.text
        assert "script-src" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_pages_load_nothing_from_outside_and_hold_no_script(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    added = put(store, a_mail())
    for path in ("/", f"/messages/{added}"):
        text = (await browser.get(path)).text
        loaded = re.findall(r'(?:src|rel="stylesheet" href|action)="([^"]+)"', text)
        assert all(place.startswith("/") for place in loaded)
        assert "<script" not in text
        assert "style=" not in text
    style = await browser.get("/style.css")
    assert style.headers["Content-Type"].startswith("text/css")
    assert "url(" not in style.text


async def test_attachments_are_downloaded_never_shown(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    mail = an_invitation()
    mail.add_attachment(
        b"<script>", maintype="text", subtype="html", filename="Übel\u2028;.html"
    )
    added = put(store, mail)
    file = await browser.get(f"/messages/{added}/attachments/2")
    assert file.content == CALENDAR.encode()
    assert file.headers["Content-Type"] == "application/ics"
    assert file.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''invite.ics"
    )
    page = await browser.get(f"/messages/{added}/attachments/3")
    assert page.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Content-Security-Policy"].startswith("sandbox;")


async def test_the_source_is_shown_as_it_came(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    mail = an_invitation()
    source = await browser.get(f"/messages/{put(store, mail)}/source")
    assert source.content == mail.as_bytes(policy=SMTP)
    assert source.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/messages/1", 404),
        ("/messages/1/source", 404),
        ("/messages/0", 422),
        (f"/messages/{2**63}", 422),
        ("/messages/x", 422),
        ("/?before=x", 422),
        (f"/api/messages?to={'a' * 400}", 422),
        ("/nowhere", 404),
    ],
)
async def test_what_is_not_there_is_a_problem(
    browser: httpx2.AsyncClient, path: str, status: int
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_an_attachment_beyond_the_last_is_not_found(
    browser: httpx2.AsyncClient, store: Store
) -> None:
    added = put(store, a_mail())
    answer = await browser.get(f"/messages/{added}/attachments/1")
    assert answer.status_code == 404
