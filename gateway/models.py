from datetime import datetime

from sqlmodel import DateTime, Field, SQLModel

from shared.db import new_registry


class Base(SQLModel, registry=new_registry()):
    """The gateway's own tables."""


class Bucket(Base, table=True):
    """How much of a limit replicas have leased until `ends`, and the last lease.

    Unlogged: after a crash of the server every limit starts anew, and no request waits
    for the disk.
    """

    __tablename__ = "bucket"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    key: str = Field(primary_key=True)
    used: int
    granted: int
    ends: datetime = Field(sa_type=DateTime(timezone=True), index=True)
