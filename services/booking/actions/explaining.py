"""Why a time is offered or not, from the run that lists and books (S10)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.booking.actions.calendars import read_calendar, read_offer
from services.booking.domain.policy import require_duration
from services.booking.domain.reasons import for_others
from services.booking.domain.remedies import remedy
from services.booking.domain.seats import Wish, against, require_kind
from services.booking.schemas.slots import Explanation, ReasonView, WouldOpen
from shared.db import Sessions
from shared.statements import connected

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Question:
    """Is there such a seat at this coach's, at this instant?"""

    coach_id: UUID
    start: datetime
    wish: Wish


async def explain(
    sessions: Sessions, asked: Question, asker: UUID | None, now: datetime
) -> Explanation:
    """Two queries. Others than the coach do not learn what the coach does.

    Raises NotFound for an unknown coach, InvalidRequest that names the field for a
    length, kind or game that is not offered at all.
    """
    coach_id, start, wish = asked.coach_id, asked.start, asked.wish
    async with connected(sessions) as connection:
        offer = await read_offer(connection, coach_id, asker, now)
        require_duration(offer.policy, wish.minutes)
        require_kind(offer.has_groups, wish.kind)
        offer.rate(wish.game, "query.game", wish.kind)
        calendar = await read_calendar(
            connection, coach_id, asker, offer, start, start + SECOND, now
        )
    found = against(calendar, wish, start)
    opens = remedy(calendar, wish, start) if asker == coach_id and found else None
    return Explanation(
        offered=not found,
        reasons=[
            ReasonView(code=each.code, detail=each.detail)
            for each in (found if asker == coach_id else for_others(found))
        ],
        would_open=opens and WouldOpen(setting=opens.setting, value=opens.value),
    )
