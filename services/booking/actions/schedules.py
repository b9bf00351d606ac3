"""A coach's schedule and booking policy, each replaced as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import calendars, coaches, groups
from services.booking.actions.coaches import get_coach
from services.booking.actions.documents import policy_of, schedule_of
from services.booking.actions.locks import lock_people
from services.booking.domain.calls import Meetings, Provider
from services.booking.domain.policy import policy_errors
from services.booking.domain.schedule import FieldError, schedule_errors
from services.booking.models import StoredPolicy, StoredSchedule
from services.booking.schemas.schedules import (
    AffectedSession,
    PolicyBody,
    ScheduleBody,
)
from shared.errors import InvalidRequest, PreconditionFailed
from shared.inputs import Input

B = TypeVar("B", bound=Input)


@dataclass(frozen=True)
class Stored(Generic[B]):
    """A document and how often it was replaced; 0 is the default nobody wrote."""

    body: B
    version: int

    @property
    def etag(self) -> str:
        return f'"{self.version}"'


async def get_schedule(session: AsyncSession, coach_id: UUID) -> Stored[ScheduleBody]:
    """Empty and in UTC before the coach wrote one; NotFound for an unknown coach."""
    row = await session.get(StoredSchedule, coach_id)
    if row is None:
        await get_coach(session, coach_id)
        return Stored(ScheduleBody(timezone="UTC"), 0)
    return Stored(ScheduleBody.model_validate(row.document), row.version)


async def get_policy(session: AsyncSession, coach_id: UUID) -> Stored[PolicyBody]:
    """The defaults before the coach wrote one; NotFound for an unknown coach."""
    row = await session.get(StoredPolicy, coach_id)
    if row is None:
        await get_coach(session, coach_id)
        return Stored(PolicyBody(), 0)
    return Stored(PolicyBody.model_validate(row.document), row.version)


async def replace_schedule(
    session: AsyncSession,
    coach_id: UUID,
    body: ScheduleBody,
    if_match: str | None,
    now: datetime,
) -> tuple[Stored[ScheduleBody], list[AffectedSession]]:
    """Store the schedule and tell which sold sessions it would not offer any more.

    Raises InvalidRequest that names the fields, PreconditionFailed for another ETag.
    """
    document = body.model_dump(mode="json")
    _refuse_faults(schedule_errors(schedule_of(document)))
    version = await _replace(session, StoredSchedule, coach_id, document, if_match)
    return Stored(body, version), await _affected(session, coach_id, now)


async def replace_policy(
    session: AsyncSession,
    coach_id: UUID,
    body: PolicyBody,
    meetings: Meetings,
    if_match: str | None,
    now: datetime,
) -> tuple[Stored[PolicyBody], list[AffectedSession]]:
    """Store the policy and tell which sold sessions it would not offer any more.

    Raises InvalidRequest that names the fields, PreconditionFailed for another ETag.
    """
    document = body.model_dump(mode="json")
    faults = policy_errors(policy_of(document))
    if not faults:
        faults = meetings.errors(Provider(body.meeting), document["meeting_url"])
    if body.group.enabled and not await coaches.has_group_rate(session, coach_id):
        message = "needs a group rate in the coach's profile"
        faults.append({"field": "body.group.enabled", "message": message})
    _refuse_faults(faults)
    version = await _replace(session, StoredPolicy, coach_id, document, if_match)
    if body.group.enabled:
        await groups.enlarge(session, coach_id, body.group.capacity, now)
    return Stored(body, version), await _affected(session, coach_id, now)


def _refuse_faults(faults: Sequence[FieldError]) -> None:
    if faults:
        raise InvalidRequest("Correct the fields and send it again.", errors=faults)


async def _replace(
    session: AsyncSession,
    model: type[StoredSchedule] | type[StoredPolicy],
    coach_id: UUID,
    document: dict[str, Any],
    if_match: str | None,
) -> int:
    """Under the coach's lock: a booking sees all of the old document or of the new."""
    await lock_people(session, [coach_id], [])
    row: StoredSchedule | StoredPolicy | None = await session.get(model, coach_id)
    version = row.version if row else 0
    _require_match(if_match, f'"{version}"')
    values = {"version": version + 1, "document": document}
    await session.exec(
        insert(model)
        .values(coach_id=coach_id, **values)
        .on_conflict_do_update(index_elements=["coach_id"], set_=values)
    )
    return version + 1


def _require_match(if_match: str | None, etag: str) -> None:
    if if_match is None or if_match.strip() == "*":
        return
    if etag not in [each.strip() for each in if_match.split(",")]:
        raise PreconditionFailed(f"Its ETag is {etag} now; read it again.")


async def _affected(
    session: AsyncSession, coach_id: UUID, now: datetime
) -> list[AffectedSession]:
    """Live future sessions in conflict with what is stored now."""
    return [
        AffectedSession(id=each.id, start=each.starts_at, end=each.ends_at)
        for each in await calendars.conflicts(session, coach_id, now)
    ]
