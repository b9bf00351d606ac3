"""How much of everything is done, and in which order."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """`pairs` measurements of each thing, of `seconds` each where time is the measure.

    `old` bookings or `holds` burden a coach, `racers` want one slot, `messages` go
    through a relay, `bookings` are made and `webhooks` arrive in each pair, `rounds` of
    CPU time are taken.
    """

    pairs: int = 7
    seconds: float = 0.6
    old: int = 10_000
    holds: int = 1_000
    racers: int = 200
    messages: int = 10_000
    webhooks: int = 20
    bookings: int = 120
    rounds: int = 15


async def interleaved(
    pairs: int, measures: Mapping[str, Callable[[], Awaitable[float]]]
) -> dict[str, list[float]]:
    """Every measure once in each pair, in an order drawn anew.

    What the machine does meanwhile then falls on all of them alike.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(pairs):
        for name in random.sample(list(measures), len(measures)):
            found[name].append(await measures[name]())
    return found
