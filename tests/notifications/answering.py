"""A mail server that answers each command as a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

USUAL = {
    "GREETING": "220 hello",
    "EHLO": "250 here",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 stored",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}

CUT = "cut"
"""As an answer: end the connection instead."""

SILENT = "silent"
"""As an answer: say the usual only once the test lets it proceed."""


@dataclass
class Server:
    """`commands` are those that came; `mails` what was written after DATA."""

    port: int
    answers: dict[str, str]
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a silent answer is due."""

    proceed: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set by the test."""

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            if await self._answer(writer, "GREETING"):
                while line := await reader.readline():
                    if not await self._take(line.decode(), reader, writer):
                        break
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _take(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one command; False ends the connection."""
        verb = line.split()[0]
        self.commands.append(line.strip())
        if not await self._answer(writer, verb):
            return False
        if verb == "DATA" and self.answers[verb] in (SILENT, USUAL[verb]):
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            return await self._answer(writer, ".")
        return verb != "QUIT"

    async def _answer(self, writer: asyncio.StreamWriter, to: str) -> bool:
        answer = self.answers[to]
        if answer == SILENT:
            self.reached.set()
            await self.proceed.wait()
            answer = USUAL[to]
        if answer == CUT:
            return False
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def answering(answers: Mapping[str, str] = USUAL) -> AsyncIterator[Server]:
    """Serve on a free loopback port; `answers` replace the usual ones."""
    told = Server(0, USUAL | dict(answers))
    talks: set[asyncio.Task[None]] = set()

    def talk(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(told.talk(r, w)))

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()
