"""PostgreSQL's own load generator, with statements that were overheard.

What varies from one transaction to the next becomes one of its variables: the coach and
the hour from a counter, so that no two want the same time, all other ids by chance.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from local.postgres import SYSTEM

VARIABLES = r"""
\set step :step + 1
\set coach :step % {coaches} + 1
\set hour :client_id * 40 + :step / {coaches}
\set chance random(1, 1000000000000000)
"""
PARAMETER = re.compile(r"\$(\d+)")
RATE = re.compile(r"^tps = ([\d.]+)", re.M)
A_DAY = timedelta(days=1)


@dataclass
class Script:
    """Transactions of a coach with one of the ids 1 to `coaches`.

    Written from statements that `coach_id` and `student_id` caused at `now`.
    """

    coach_id: UUID
    student_id: UUID
    now: datetime
    coaches: int
    ids: list[UUID] = field(default_factory=list)

    def of(self, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> str:
        lines = [VARIABLES.format(coaches=self.coaches), "BEGIN;"]
        lines += [self._statement(*each) + ";" for each in statements]
        return "\n".join([*lines, "COMMIT;", ""])

    def _statement(self, query: str, arguments: Sequence[Any]) -> str:
        flat = " ".join(query.split())
        return PARAMETER.sub(lambda m: self._sql(arguments[int(m[1]) - 1]), flat)

    def _sql(self, value: Any) -> str:
        match value:
            case None:
                return "NULL"
            case UUID():
                return f"CAST(lpad(to_hex({self._number(value)}), 32, '0') AS uuid)"
            case datetime():
                return self._instant(value)
            case bytes():
                return f"'\\x{value.hex()}'"
            case bool() | int():
                return str(value)
            case list() | tuple():
                return f"ARRAY[{', '.join(map(self._key, value))}]"
            case dict():
                return f"'{json.dumps(value)}'"
        return "'" + str(value).replace("'", "''") + "'"

    def _number(self, identity: UUID) -> str:
        if identity == self.coach_id:
            return "CAST(:coach AS bigint)"
        if identity not in self.ids:
            self.ids.append(identity)
        return f"(CAST(:chance AS bigint) * 16 + {self.ids.index(identity)})"

    def _instant(self, at: datetime) -> str:
        """Near `now` it is one of the clock, else one of the session."""
        # not as text: a colon would begin a variable
        literal = f"to_timestamp({at.timestamp()})"
        if abs(at - self.now) < A_DAY:
            return literal
        return f"({literal} + CAST(:hour AS int) * interval '1 hour')"

    def _key(self, value: int | UUID) -> str:
        """An element of an array: an id, a kind, or a person whose lock it is."""
        if isinstance(value, UUID):
            return self._sql(value)
        for person in (self.coach_id, self.student_id):
            if value == person.int & 0x7FFFFFFF:
                return f"CAST({self._number(person)} % 2147483647 AS int)"
        return str(value)


def find() -> str | None:
    """The program, which Debian keeps off the path."""
    beside = sorted(SYSTEM.glob("*/bin/pgbench"))
    return shutil.which("pgbench") or (str(beside[-1]) if beside else None)


async def transactions(url: str, script: str, clients: int, each: int) -> float:
    """Transactions a second, each client `each` of them; raises if one fails."""
    program = find()
    if program is None:
        raise RuntimeError("pgbench comes with PostgreSQL and is not here")
    process = await asyncio.create_subprocess_exec(
        *(program, "--no-vacuum", "--file=-", "--protocol=prepared"),
        *(f"--client={clients}", f"--transactions={each}", "--define=step=-1"),
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate(script.encode())
    rate = RATE.search(said.decode())
    if process.returncode or rate is None:
        raise RuntimeError(complained.decode())
    return float(rate[1])
