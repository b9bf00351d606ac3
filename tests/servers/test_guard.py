import asyncio
import gc


async def fail() -> None:
    raise ValueError("nobody asked")


async def test_an_exception_that_nobody_retrieved_is_noticed(
    loop_errors: list[str],
) -> None:
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    gc.collect()
    (complaint,) = loop_errors
    assert "never retrieved" in complaint
    assert "nobody asked" in complaint
    loop_errors.clear()


async def test_an_exception_that_was_retrieved_is_not_a_complaint(
    loop_errors: list[str],
) -> None:
    (outcome,) = await asyncio.gather(fail(), return_exceptions=True)
    gc.collect()
    assert isinstance(outcome, ValueError)
    assert loop_errors == []
