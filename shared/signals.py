"""A wake-up call inside one process."""

import asyncio


class Signal:
    """Wakes everybody who subscribed. A call made while one works is not lost."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def subscribe(self) -> asyncio.Event:
        """An event of one's own, set by every later `fire`; its owner clears it."""
        listener = asyncio.Event()
        self._listeners.append(listener)
        return listener

    def fire(self) -> None:
        for listener in self._listeners:
            listener.set()
