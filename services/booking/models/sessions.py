"""Coaches, their terms, and who has which time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlmodel import Field

from services.booking.domain.calls import Provider
from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import RefundStatus, Status
from services.booking.models.base import Base
from shared.db import enum_column
from shared.ids import new_id

LIVE = "status IN ('held', 'confirmed', 'in_progress')"
"""The states that occupy time, as the predicate of the exclusion constraints."""

ONE = {"server_default": "1"}


FOREVER = datetime.max.replace(tzinfo=UTC)


class Coach(Base, table=True):
    """What coaches last said of a coach; `hourly_rate` in minor units of `currency`."""

    __tablename__ = "coaches"

    id: UUID = Field(primary_key=True)
    version: int
    verified: bool
    listed: bool
    accepting: bool
    currency: str = Field(max_length=3)
    hourly_rate: int
    group_rate: int | None
    game_rates: dict[str, int | None] = Field(sa_type=JSONB)


class StoredSchedule(Base, table=True):
    """A coach's schedule, replaced as a whole; `document` is as the API shows it."""

    __tablename__ = "schedules"

    coach_id: UUID = Field(primary_key=True)
    version: int
    document: dict[str, Any] = Field(sa_type=JSONB)


class StoredPolicy(Base, table=True):
    """A coach's booking policy, replaced as a whole; without one the defaults hold."""

    __tablename__ = "policies"

    coach_id: UUID = Field(primary_key=True)
    version: int
    document: dict[str, Any] = Field(sa_type=JSONB)


class Session(Base, table=True):
    """A coach's block of time that takes place once.

    The buffers are those of the policy when it was booked; `blocked_from` and
    `blocked_until` are the time widened by them. `status` is that of its most alive
    seat. `sequence` counts what a calendar has to be told (RFC 5545), `start_version`
    the moves; `coach_nudged_version` is the latest start the coach was missing at.
    Capacity and participants are those of the policy when the first seat was booked;
    `fate` is what was decided about a group as a whole, None until then. `meeting` and
    `meeting_url` say where it takes place. No hold of one of its seats runs longer than
    `held_until`.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        ExcludeConstraint(
            (column("coach_id"), "="),
            (func.tstzrange(column("blocked_from"), column("blocked_until")), "&&"),
            name="a_coach_is_in_one_session_at_a_time",
            using="gist",
            where=text(LIVE),
        ),
        CheckConstraint("starts_at < ends_at", "a_session_ends_after_it_starts"),
        CheckConstraint(
            "blocked_from <= starts_at AND blocked_until >= ends_at",
            "buffers_only_widen_a_session",
        ),
        CheckConstraint(
            "min_participants BETWEEN 1 AND capacity",
            "a_session_has_room_for_those_it_needs",
        ),
        CheckConstraint(
            "kind = 'group' OR capacity = 1", "only_a_group_has_several_seats"
        ),
        CheckConstraint(
            f"fate <> 'called_off' OR NOT {LIVE}",
            "what_was_called_off_does_not_take_place",
        ),
        Index(
            "ix_sessions_undecided_groups",
            "starts_at",
            postgresql_where=text(
                "kind = 'group' AND fate IS NULL AND status IN ('held', 'confirmed')"
            ),
        ),
        Index("ix_sessions_coach_start", "coach_id", "starts_at", "id"),
        Index("ix_sessions_start", "starts_at", "id"),
        Index(
            "ix_sessions_lasting",
            "coach_id",
            "starts_at",
            postgresql_where=text("status NOT IN ('held', 'expired', 'cancelled')"),
        ),
        Index(
            "ix_sessions_held",
            "coach_id",
            "held_until",
            postgresql_where=text("status = 'held'"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    coach_id: UUID
    starts_at: datetime
    ends_at: datetime
    blocked_from: datetime
    blocked_until: datetime
    status: Status = Field(sa_type=enum_column(Status))
    kind: str
    game: str | None
    sequence: int = 0
    start_version: int = 1
    capacity: int = Field(default=1, sa_column_kwargs=ONE)
    min_participants: int = Field(default=1, sa_column_kwargs=ONE)
    fate: Fate | None = Field(default=None, sa_type=enum_column(Fate))
    meeting: Provider = Field(
        default=Provider.JITSI,
        sa_type=enum_column(Provider),
        sa_column_kwargs={"server_default": Provider.JITSI.value},
    )
    meeting_url: str | None = None
    coach_nudged_version: int = 0
    held_until: datetime = FOREVER


class Seat(Base, table=True):
    """One student's place in a session, with the terms of the day it was booked.

    `price` and `refund_amount` are minor units of `currency`; `tiers` is the policy's
    [[hours before, percent], ...]. `hold_expires_at` is None for a seat that never had
    to wait for money. `offer` says that it was reserved for somebody on the waitlist. A
    late cancellation is made good with `refund_on_resale`, once: by the seat
    `resold_by`.
    `marks` and `moved_by_coach` are what moves did to the terms (`domain.moves.moved`).
    `no_show` is who missed it, to be contested until `provisional_until` unless
    `no_show_final`; `outcome_version` counts what was said of that. `looked_at` is the
    last of the instants after the start at which the tick looked who had come.
    """

    __tablename__ = "seats"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        ForeignKeyConstraint(["series_id"], ["series.id"]),
        ForeignKeyConstraint(["resold_by"], ["seats.id"]),
        ExcludeConstraint(
            (column("student_id"), "="),
            (func.tstzrange(column("starts_at"), column("ends_at")), "&&"),
            name="a_student_is_in_one_session_at_a_time",
            using="gist",
            where=text(LIVE),
        ),
        CheckConstraint(
            "status <> 'held' OR hold_expires_at IS NOT NULL", "a_hold_runs_out"
        ),
        CheckConstraint(
            "refund_amount BETWEEN 0 AND price", "a_refund_is_part_of_the_price"
        ),
        CheckConstraint(
            "(refund_amount IS NULL) = (refund_percent IS NULL)"
            " AND (refund_amount IS NULL) = (refund_status IS NULL)",
            "a_refund_is_whole",
        ),
        CheckConstraint(
            "(status = 'cancelled') = (cancelled_by IS NOT NULL)",
            "somebody_cancelled_a_cancelled_seat",
        ),
        CheckConstraint(
            "resold_by IS NULL OR refund_on_resale", "a_seat_is_resold_on_its_terms"
        ),
        CheckConstraint(
            "moves_by_student BETWEEN 0 AND 3", "a_student_moves_a_seat_three_times"
        ),
        Index("ix_seats_session", "session_id"),
        Index(
            "ix_seats_series",
            "series_id",
            postgresql_where=text("series_id IS NOT NULL"),
        ),
        Index(
            "ix_seats_to_resell",
            "starts_at",
            postgresql_where=text(
                "refund_on_resale AND status = 'cancelled' AND resold_by IS NULL"
                " AND refund_amount < price"
            ),
        ),
        CheckConstraint(
            "(status = 'no_show') = (no_show IS NOT NULL)",
            "somebody_missed_a_missed_seat",
        ),
        CheckConstraint(
            "(no_show IS NULL) = (provisional_until IS NULL)",
            "a_no_show_is_provisional_at_first",
        ),
        Index(
            "ix_seats_attended",
            "starts_at",
            postgresql_where=text("status IN ('confirmed', 'in_progress')"),
        ),
        Index(
            "ix_seats_provisional",
            "provisional_until",
            postgresql_where=text("status = 'no_show' AND NOT no_show_final"),
        ),
        Index("ix_seats_student_start", "student_id", "starts_at"),
        Index(
            "ix_seats_holds",
            "hold_expires_at",
            postgresql_where=text("status = 'held'"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID
    student_id: UUID
    starts_at: datetime
    ends_at: datetime
    status: Status = Field(sa_type=enum_column(Status))
    price: int
    currency: str = Field(max_length=3)
    fee_percent: int
    tiers: list[list[int]] = Field(sa_type=JSONB)
    goals: str | None
    created_at: datetime
    hold_expires_at: datetime | None
    confirmed_at: datetime | None = None
    payment_id: UUID | None = None
    cancelled_by: str | None = None
    refund_amount: int | None = None
    refund_percent: int | None = None
    refund_status: RefundStatus | None = Field(
        default=None,
        sa_type=enum_column(RefundStatus),
    )
    series_id: UUID | None = None
    offer: bool = False
    refund_on_resale: bool = False
    resold_by: UUID | None = None
    marks: list[int] = Field(default_factory=list, sa_type=JSONB)
    moved_by_coach: bool = False
    moves_by_student: int = 0
    no_show: str | None = None
    provisional_until: datetime | None = None
    no_show_final: bool = False
    outcome_version: int = 0
    looked_at: datetime | None = None


class Move(Base, table=True):
    """One step in a seat's life. The database refuses to change or remove one."""

    __tablename__ = "history"
    __table_args__ = (
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        Index("ix_history_seat", "seat_id", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    seat_id: UUID
    at: datetime
    from_status: Status | None = Field(
        sa_type=enum_column(Status),
        nullable=True,
    )
    to_status: Status = Field(sa_type=enum_column(Status))
    by: str
    reason: str | None
    evidence: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )


class SeatRefund(Base, table=True):
    """One refund for a seat, which may have several, as payments last spoke of it."""

    __tablename__ = "seat_refunds"
    __table_args__ = (
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        Index("ix_seat_refunds_seat", "seat_id"),
    )

    id: UUID = Field(primary_key=True)
    seat_id: UUID
    payment_id: UUID
    amount: int
    status: RefundStatus = Field(sa_type=enum_column(RefundStatus))
    told_at: datetime


class RefusedPayment(Base, table=True):
    """Money that was sent back; it must not confirm when it is announced again."""

    __tablename__ = "refused_payments"

    payment_id: UUID = Field(primary_key=True)
    seat_id: UUID = Field(primary_key=True)
    reason: str
    at: datetime
