import base64
from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given
from hypothesis import strategies as st

from local.mailbox.messages import links, read_mail
from tests.local.mailbox.given import CALENDAR, a_mail, an_invitation


def wire(mail: EmailMessage) -> bytes:
    return mail.as_bytes(policy=SMTP)


def test_bodies_headers_and_the_envelopes_recipients_are_read() -> None:
    mail = read_mail(wire(an_invitation()), ["student1@scrimline.example", "b@x.org"])
    assert mail.to == "student1@scrimline.example, b@x.org"
    assert mail.sender == "Scrimline <no-reply@scrimline.example>"
    assert mail.subject == "You are booked"
    assert mail.text == "See you at 14:00.\nhttps://scrimline.example/sessions/1\n"
    assert mail.html is not None
    assert mail.html.startswith("<p>See <b>you</b>.")
    assert mail.headers["Date"] == "Mon, 23 Nov 2026 10:00:00 +0000"


def test_the_calendar_part_is_listed_as_text_and_the_file_as_base64() -> None:
    part, file = read_mail(wire(an_invitation()), []).attachments
    assert (part.content_type, part.filename) == ("text/calendar", None)
    assert part.content == CALENDAR
    assert (file.content_type, file.filename) == ("application/ics", "invite.ics")
    assert base64.b64decode(file.content) == file.data == CALENDAR.encode()


def test_a_subject_in_any_language_is_decoded() -> None:
    mail = read_mail(wire(a_mail(subject="Gebucht: Zoë ⚔")), [])
    assert mail.subject == "Gebucht: Zoë ⚔"


def test_a_mail_of_html_alone_has_no_text() -> None:
    message = EmailMessage()
    message.set_content("<p>Hi</p>", subtype="html")
    mail = read_mail(wire(message), [])
    assert mail.text is None
    assert mail.html == "<p>Hi</p>\n"
    assert mail.attachments == []


def test_an_enclosed_mail_is_one_attachment() -> None:
    message = a_mail()
    message.add_attachment(a_mail(subject="The first one"))
    (enclosed,) = read_mail(wire(message), []).attachments
    assert enclosed.content_type == "message/rfc822"
    assert b"Subject: The first one" in enclosed.data


def test_a_header_that_occurs_twice_keeps_both_values() -> None:
    mail = read_mail(b"X-Trace: a\r\nx-trace: b\r\n\r\nhi\r\n", [])
    assert mail.headers == {"X-Trace": "a, b"}


def test_an_unknown_charset_and_broken_bytes_are_replaced() -> None:
    source = (
        b"Content-Type: text/plain; charset=klingon\r\nSubject: \xff\r\n\r\n\xff\r\n"
    )
    mail = read_mail(source, [])
    assert mail.text == "\ufffd\n"
    assert mail.model_dump_json()


def test_links_come_from_the_html_and_only_to_the_web() -> None:
    assert links(read_mail(wire(an_invitation()), [])) == [
        "https://scrimline.example/s/1"
    ]


def test_links_come_from_the_text_where_there_is_no_html() -> None:
    assert links(read_mail(wire(a_mail()), [])) == [
        "https://scrimline.example/sessions/1"
    ]


HEADERS = (
    "From To Subject Date Content-Type Content-Disposition "
    "Content-Transfer-Encoding MIME-Version Message-ID References"
)
HEADER = st.sampled_from(HEADERS.split())


def test_a_header_that_cannot_be_parsed_is_kept_as_text() -> None:
    mail = read_mail(b"From: <\r\nSubject: hi\r\n\r\nhi\r\n", [])
    assert mail.sender == "<"
    assert mail.subject == "hi"


@given(
    st.lists(st.tuples(HEADER, st.text(max_size=40) | st.just("multipart/mixed"))),
    st.binary(max_size=200),
)
def test_no_mail_whatever_its_bytes_is_refused(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    source = head.encode("utf-8", "surrogateescape") + b"\r\n" + body
    assert read_mail(source, ["a@x.org"]).model_dump_json()
