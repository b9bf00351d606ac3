"""Keyset pages: `{"items": [...], "next_cursor": ...}`, the same cost on every page."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from shared.errors import InvalidRequest

T = TypeVar("T")
R = TypeVar("R")


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` asks for the next one, null at the end."""

    items: list[T]
    next_cursor: str | None


class Keyset:
    """What page the caller wants: `limit` rows after the position `after`."""

    def __init__(self, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self._cursor = cursor

    def after(self, *types: Callable[[str], Any]) -> tuple[Any, ...] | None:
        """The sort key of the last row seen, each part read by its type; None at first.

        Raises InvalidRequest for a cursor that this list did not hand out.
        """
        if self._cursor is None:
            return None
        try:
            parts = json.loads(base64.urlsafe_b64decode(self._cursor.encode()))
            return tuple(read(part) for read, part in zip(types, parts, strict=True))
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            message = "use the next_cursor of the page before"
            raise InvalidRequest(
                "The cursor does not belong to this list.",
                errors=[{"field": "query.cursor", "message": message}],
            ) from error

    def page(
        self,
        rows: Sequence[R],
        key: Callable[[R], Sequence[object]],
        view: Callable[[R], T],
    ) -> Page[T]:
        """The page of `rows`, of which the query fetched `limit + 1`.

        `key` gives the sort key of a row, unique and in the order of the list.
        """
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(
            items=[view(row) for row in shown],
            next_cursor=_encode(key(shown[-1])) if more else None,
        )


def _encode(parts: Sequence[object]) -> str:
    text = json.dumps([str(part) for part in parts])
    return base64.urlsafe_b64encode(text.encode()).decode()


async def _keyset(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Keyset:
    return Keyset(limit, cursor)


PageQuery = Annotated[Keyset, Depends(_keyset)]
