"""What admins decide on applications; every decision is kept."""

from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches import domain
from services.coaches.actions import profiles
from services.coaches.actions.profiles import Profile
from services.coaches.domain import Verification
from services.coaches.models import Decision


async def verify(
    session: AsyncSession, coach_id: UUID, admin_id: UUID, notes: str, now: datetime
) -> Profile:
    """Verify a submitted application. Raises NotFound, WrongStatus."""
    return await _decide(session, coach_id, admin_id, Verification.VERIFIED, notes, now)


async def reject(
    session: AsyncSession, coach_id: UUID, admin_id: UUID, reason: str, now: datetime
) -> Profile:
    """Reject a submitted application; the coach reads why. As `verify` otherwise."""
    return await _decide(
        session, coach_id, admin_id, Verification.REJECTED, reason, now
    )


async def _decide(
    session: AsyncSession,
    coach_id: UUID,
    admin_id: UUID,
    verdict: Verification,
    notes: str,
    now: datetime,
) -> Profile:
    user, coach = await profiles.lock(session, coach_id)
    domain.require_move(coach.verification, verdict)
    coach.verification = verdict
    if verdict is Verification.VERIFIED:
        coach.verified_at = now
    else:
        coach.rejection_reason = notes
    session.add(
        Decision(
            coach_id=coach_id,
            admin_id=admin_id,
            verdict=verdict,
            notes=notes,
            decided_at=now,
        )
    )
    return await profiles.announce(session, coach, user, now)
