"""Mails as a service would send them."""

from email.message import EmailMessage

CALENDAR = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"


def a_mail(
    to: str = "student1@scrimline.example", subject: str = "You are booked"
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Scrimline <no-reply@scrimline.example>"
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
    mail.set_content("See you at 14:00.\nhttps://scrimline.example/sessions/1\n")
    return mail


def an_invitation() -> EmailMessage:
    """Text, HTML and a calendar part side by side, and the calendar as a file."""
    mail = a_mail()
    mail.add_alternative(
        '<p>See <b>you</b>. <a href="https://scrimline.example/s/1">Open</a>'
        '<a href="javascript:alert(1)">Bad</a><script>alert(1)</script></p>',
        subtype="html",
    )
    mail.add_alternative(CALENDAR, subtype="calendar", params={"method": "REQUEST"})
    mail.add_attachment(
        CALENDAR.encode(), maintype="application", subtype="ics", filename="invite.ics"
    )
    return mail
