"""What the scheduler does: say each tick once."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.scheduler import domain
from services.scheduler.models import EmittedTick
from shared import outbox
from shared.contracts.scheduler import DayTickV1, HourTickV1, MinuteTickV1, Tick

TURNS = 0x71C3

PERIODS: dict[type[Tick], timedelta] = {
    MinuteTickV1: domain.MINUTE,
    HourTickV1: domain.HOUR,
    DayTickV1: domain.DAY,
}


async def emit_due(session: AsyncSession, now: datetime) -> int:
    """Say every tick that is due and was not said; return how many that were.

    Of the ticks missed since the last one only the latest is said: it stands for the
    whole span. Schedulers that do this at once take turns (an advisory lock until the
    commit), so the spans follow each other without gap; the row and the event commit
    together.
    """
    await session.exec(select(func.pg_advisory_xact_lock(TURNS)))
    last = await _last_due(session)
    emitted = 0
    for tick, every in PERIODS.items():
        previous = last.get(tick.name)
        due_at = domain.latest_due(now, every)
        if previous is not None and previous >= due_at:
            continue
        emitted += await _emit(session, tick, due_at, previous, now)
    return emitted


async def _emit(
    session: AsyncSession,
    tick: type[Tick],
    due_at: datetime,
    previous: datetime | None,
    now: datetime,
) -> int:
    claim = (
        insert(EmittedTick)
        .values(name=tick.name, due_at=due_at, previous_due_at=previous, emitted_at=now)
        .on_conflict_do_nothing()
        .returning(col(EmittedTick.name))
    )
    if (await session.exec(claim)).first() is None:
        return 0
    await outbox.publish(
        session, tick(occurred_at=now, due_at=due_at, previous_due_at=previous)
    )
    await _forget_old(session, tick.name, due_at)
    return 1


async def count_due(session: AsyncSession, now: datetime) -> int:
    """How many ticks are due and not said yet."""
    last = await _last_due(session)
    return sum(
        tick.name not in last or last[tick.name] < domain.latest_due(now, every)
        for tick, every in PERIODS.items()
    )


async def _last_due(session: AsyncSession) -> dict[str, datetime]:
    query = select(EmittedTick.name, func.max(EmittedTick.due_at)).group_by(
        EmittedTick.name
    )
    return dict((await session.exec(query)).all())


async def _forget_old(session: AsyncSession, name: str, due_at: datetime) -> None:
    """Delete what is older than a week; the tick just said always stays."""
    await session.exec(
        delete(EmittedTick).where(
            col(EmittedTick.name) == name,
            col(EmittedTick.due_at) < due_at - domain.KEPT,
        )
    )
