"""Product time that a person can move forward, shared by all processes of one run."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

GLANCE = 0.1
"""Seconds between two looks at the file while waiting for an instant."""


class MovableClock:
    """Real time plus an offset that is kept in a file.

    Every process that is given the same file shares the time; it stays moved over a
    restart. Without a file it is this object's alone.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at = -1
        self._offset = timedelta()

    def now(self) -> datetime:
        self._look()
        return datetime.now(UTC) + self._offset

    @property
    def behind(self) -> bool:
        """True while a past is planted, or after that was interrupted."""
        self._look()
        return self._offset < timedelta()

    def advance(self, by: timedelta) -> datetime:
        """Move time by `by`, for everybody; return the new now."""
        self._look()
        self._offset += by
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(str(self._offset.total_seconds()))
            fresh.replace(self._path)
        return self.now()

    async def until(self, instant: datetime) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, GLANCE))

    def _look(self) -> None:
        if self._path is None:
            return
        with suppress(FileNotFoundError):
            changed = self._path.stat().st_mtime_ns
            if changed != self._read_at:
                self._offset = timedelta(seconds=float(self._path.read_text()))
                self._read_at = changed
