"""What all tables of booking hang on."""

from sqlmodel import SQLModel

from shared.db import new_registry


class Base(SQLModel, registry=new_registry()):
    """The tables of booking."""
