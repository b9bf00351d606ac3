import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.effort import interleaved
from bench.figures import Figure, quartiles, ratio, slowest, table
from bench.load import at_once, closed, paced, request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}"
GONE = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"

Answer = Callable[[bytes], Awaitable[bytes]]


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("x", 2.0, "x"), ""),
        (Figure("x", 2.0, "x", 2.0), "ok"),
        (Figure("x", 2.1, "x", 2.0), "over"),
        (Figure("x", 2.0, "x", 2.0, at_least=True), "ok"),
        (Figure("x", 1.9, "x", 2.0, at_least=True), "over"),
    ],
)
def test_a_value_on_the_wrong_side_of_its_limit_is_over(
    figure: Figure, verdict: str
) -> None:
    assert figure.verdict == verdict


def test_a_ratio_is_the_median_of_the_ratios_of_pairs() -> None:
    figure = ratio("x", {"ours": [2.0, 9.0, 40.0], "floor": [1.0, 3.0, 10.0]}, 3.0)

    assert figure.value == 3.0
    assert figure.spread == (2.5, 3.5)
    assert figure.verdict == "ok"


def test_the_slowest_hundredth_is_left_out_of_a_p99() -> None:
    values = [float(each) for each in range(1, 201)]

    assert slowest(values) == 198.0
    assert slowest([5.0]) == 5.0
    assert quartiles([5.0]) == (5.0, 5.0)


def test_a_row_names_value_unit_spread_limit_and_verdict() -> None:
    row = table({"b": [Figure("a : b", 1234.5, "x", 2.0, spread=(0.5, 1.25))]})

    assert re.search(r"\nb\n  a : b +1,234 x +0\.5 \.\. 1\.25 +<= 2 +over$", row)


async def test_pairs_measure_everything_the_same_number_of_times() -> None:
    order: list[str] = []

    def measure(name: str) -> Callable[[], Awaitable[float]]:
        async def taken() -> float:
            order.append(name)
            return float(len(order))

        return taken

    found = await interleaved(20, {"a": measure("a"), "b": measure("b")})

    assert [len(values) for values in found.values()] == [20, 20]
    assert all(
        set(pair) == {"a", "b"} for pair in zip(order[::2], order[1::2], strict=True)
    )
    assert len(set(order[::2])) == 2


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """A port where each request, read up to its empty line, gets an answer."""

    served = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        while head := await reader.read(1000):
            whole = await answer(head)
            # In two pieces, as a network may deliver it.
            writer.write(whole[:20])
            await asyncio.sleep(0)
            writer.write(whole[20:])
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, served))


ASKED = request("GET", "/", {"X": "y"})


async def test_a_closed_load_asks_one_after_the_other_on_each_connection() -> None:
    busy = most = 0

    async def answer(head: bytes) -> bytes:
        nonlocal busy, most
        assert head == ASKED
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return OK

    async with server(answer) as port:
        load = await closed(port, ASKED, 3, 0.5)

    assert most == 3
    assert len(load.seconds) == load.statuses[200] >= 9
    assert min(load.seconds) >= 0.009
    assert load.p50 <= load.p99


async def test_a_paced_load_counts_the_wait_for_a_connection() -> None:
    async def answer(_: bytes) -> bytes:
        await asyncio.sleep(0.02)
        return OK

    async with server(answer) as port:
        load = await paced(port, ASKED, 1, 0.1, 100)

    assert load.statuses == {200: 10}
    # The last was due after 90 ms and answered after 200.
    assert load.seconds[-1] >= 0.09


async def test_a_race_keeps_every_status() -> None:
    answers = [OK, GONE, GONE]

    async def answer(_: bytes) -> bytes:
        return answers.pop()

    async with server(answer) as port:
        load = await at_once(port, [ASKED] * 3)

    assert load.statuses == {200: 1, 410: 2}
    assert load.elapsed == max(load.seconds)


async def test_a_refusal_is_not_measured_as_an_answer() -> None:
    async def answer(_: bytes) -> bytes:
        return GONE

    async with server(answer) as port:
        with pytest.raises(RuntimeError, match="410"):
            await closed(port, ASKED, 1, 0.01)
