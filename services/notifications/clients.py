"""The only file that knows SMTP (RFC 5321)."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from shared.errors import Outage

COMMAND_TIMEOUT = 30.0
QUIT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 600.0
"""Seconds to wait for the answer to a whole mail (RFC 5321, 4.5.3.2.6)."""

CLOSING = 421
START_INPUT = 354


class Refused(Exception):  # noqa: N818 - what the server said
    """The server will never take this mail (5yz)."""


class NotNow(Exception):  # noqa: N818 - what the server said
    """The server does not take this mail at present (4yz); others it may."""


class Unanswered(Exception):  # noqa: N818 - nobody's mistake
    """The whole mail was written and no answer came: it may have been taken."""


class Postman:
    """Opens connections to the one server that takes our mails."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        hello: str,
        starttls: Literal["required", "offered", "off"] = "offered",
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._hello = hello
        self._start_tls = {"required": True, "offered": None, "off": False}[starttls]
        self._username = username
        self._password = password

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        """A connection for some mails, made with the first and ended with the block."""
        smtp = SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._hello,
            start_tls=self._start_tls,
            username=self._username,
            password=self._password,
            timeout=COMMAND_TIMEOUT,
        )
        try:
            yield Connection(smtp)
            with contextlib.suppress(SMTPException, OSError):
                await smtp.quit(timeout=QUIT_TIMEOUT)
        finally:
            smtp.close()


class Connection:
    """Takes one mail after the other: `offer`, then `hand_over` or `abandon`."""

    def __init__(self, smtp: SMTP) -> None:
        self._smtp = smtp

    async def offer(self, sender: str, recipient: str) -> None:
        """Ask whether the server takes a mail; it has nothing of it yet.

        Raises Refused, NotNow, or Outage when there is no connection to be had.
        """
        await self._connect()
        try:
            await self._envelope(sender, recipient)
        except SMTPSenderRefused as error:
            await self._reset()
            # Our own address is refused: that is for an operator, not for this mail
            raise NotNow(f"sender: {error.code} {error.message}") from error
        except SMTPResponseException as error:
            verdict = _verdict(error.code, error.message)
            if isinstance(verdict, Outage):
                self.abandon()
            else:
                await self._reset()
            raise verdict from error
        except (SMTPException, OSError) as error:
            raise Outage(f"the connection for mails broke: {error}") from error
        except ValueError as error:
            await self._reset()
            raise Refused(f"not an address: {error}") from error

    async def _connect(self) -> None:
        """Anew if need be: a server may close after each mail."""
        if self._smtp.is_connected:
            return
        try:
            await self._smtp.connect()
        except (SMTPException, OSError) as error:
            raise Outage(f"no connection for mails: {error}") from error

    async def _envelope(self, sender: str, recipient: str) -> None:
        options, encoding = [], "ascii"
        if not recipient.isascii():
            if not self._smtp.supports_extension("smtputf8"):
                raise SMTPRecipientRefused(553, "no SMTPUTF8 here", recipient)
            options, encoding = ["SMTPUTF8"], "utf-8"
        await self._smtp.mail(sender, options=options, encoding=encoding)
        await self._smtp.rcpt(recipient, encoding=encoding)
        answer = await self._smtp.execute_command(b"DATA")
        if answer.code != START_INPUT:
            raise SMTPResponseException(answer.code, answer.message)

    async def hand_over(self, source: bytes) -> str:
        """Write the whole mail (CRLF lines) and return what the server said to it.

        Raises Refused, NotNow, Unanswered, or Outage if it could not be written.
        """
        protocol = self._smtp.protocol
        if protocol is None:
            raise Outage("the connection for mails broke")
        try:
            protocol.write(re.sub(rb"(?m)^\.", b"..", source) + b".\r\n")
        except SMTPException as error:
            raise Outage(f"the connection for mails broke: {error}") from error
        try:
            answer = await protocol.read_response(timeout=ANSWER_TIMEOUT)
        except (SMTPException, OSError) as error:
            self.abandon()
            raise Unanswered(str(error)) from error
        said = f"{answer.code} {answer.message}"
        if 200 <= answer.code < 300:
            return said
        if 400 <= answer.code < 600:
            raise _verdict(answer.code, answer.message)
        self.abandon()
        raise Unanswered(said)

    def abandon(self) -> None:
        """Cut the connection; a server that has no whole mail forgets it."""
        self._smtp.close()

    async def _reset(self) -> None:
        """A connection that is lost meanwhile shows at the next offer."""
        with contextlib.suppress(SMTPException, OSError):
            await self._smtp.rset()


def _verdict(code: int, text: str) -> Exception:
    said = f"{code} {text}"
    if code == CLOSING or not 400 <= code < 600:
        return Outage(f"the mail server closes or cannot be understood: {said}")
    return Refused(said) if code >= 500 else NotNow(said)
