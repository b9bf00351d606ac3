"""What a benchmark finds out, and how it is read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

Raw = Mapping[str, Sequence[float]]
"""Measured values by what was measured; the n-th of each belong together."""


@dataclass(frozen=True)
class Figure:
    """One value; `limit` is the most it may be, or the least if `at_least`.

    Without a limit it is only watched. `spread` holds the quartiles of what `value` is
    the median of.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    spread: tuple[float, float] | None = None
    raw: Raw = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`ok`, `over` on the wrong side of the limit, empty without one."""
        if self.limit is None:
            return ""
        fine = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "ok" if fine else "over"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def typical(name: str, values: Sequence[float], unit: str) -> Figure:
    """The median of what was measured, only watched."""
    return Figure(name, median(values), unit, spread=quartiles(values))


def ratio(
    name: str,
    raw: Raw,
    limit: float | None = None,
    *,
    at_least: bool = False,
) -> Figure:
    """The median over all pairs of the first measured thing divided by the second."""
    ours, floor = raw.values()
    each = [one / other for one, other in zip(ours, floor, strict=True)]
    return Figure(name, median(each), "x", limit, at_least, quartiles(each), raw)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Between these two lies the middle half of the values."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def slowest(values: Sequence[float], share: float = 0.99) -> float:
    """The value that `share` of the values do not exceed; 0.99 is the p99."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def table(figures: Mapping[str, Sequence[Figure]]) -> str:
    """The figures by benchmark, for people."""
    lines = []
    for benchmark, found in figures.items():
        lines += ["", benchmark]
        lines += [_line(figure) for figure in found]
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    spread = limit = ""
    if figure.spread is not None:
        spread = f"{_short(figure.spread[0])} .. {_short(figure.spread[1])}"
    if figure.limit is not None:
        limit = f"{'>=' if figure.at_least else '<='} {_short(figure.limit)}"
    value = f"{_short(figure.value):>9} {figure.unit:<6}"
    return (
        f"  {figure.name:52} {value} {spread:>18}  {limit:9} {figure.verdict}".rstrip()
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
