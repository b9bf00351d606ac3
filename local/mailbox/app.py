"""The mailbox in a browser and for programs. Shows mails, sends none."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.mailbox.messages import Message, links
from local.mailbox.store import Store
from shared.errors import NotFound
from shared.web import answer_with_problems

FOLDER = Path(__file__).parent / "templates"
PER_PAGE = 50

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'"
)
"""A mail's own HTML: no script, no form, nothing loaded, no origin of ours."""

router = APIRouter()
pages = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined
)


def create_app(store: Store) -> FastAPI:
    """The inbox over this store; whoever made the store closes it."""
    app = FastAPI(title="Scrimline mailbox", docs_url=None, redoc_url=None)
    app.state.store = store
    app.include_router(router)
    answer_with_problems(app)
    return app


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


InStore = Annotated[Store, Depends(_store)]
To = Annotated[str | None, Query(max_length=320, description="one recipient")]
Id = Annotated[int, InPath(ge=1, lt=2**63)]


def known(store: Store, message_id: int) -> Message:
    """The message, or the refusal that becomes 404."""
    if (message := store.message(message_id)) is None:
        raise NotFound("There is no such message (any more).")
    return message


@router.get("/api/messages")
async def list_messages(store: InStore, to: To = None) -> list[Message]:
    """All messages, newest first, or those to one address (in any case)."""
    return store.messages(to)


@router.delete("/api/messages", status_code=204)
async def clear(store: InStore, to: To = None) -> None:
    """Forget all messages, or those to one address."""
    store.clear(to)


@router.get("/health/live", include_in_schema=False)
async def live() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/", include_in_schema=False)
async def inbox(
    store: InStore,
    to: To = None,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """One page of the list; an empty `to`, as a form sends it, means everybody."""
    to = to or None
    found = store.messages(to, before, PER_PAGE + 1)
    shown = found[:PER_PAGE]
    older = None
    if len(found) > PER_PAGE:
        older = "/?" + urlencode(({"to": to} if to else {}) | {"before": shown[-1].id})
    return _page("inbox.html", messages=shown, to=to, older=older, newest=not before)


@router.get("/messages/{message_id}", include_in_schema=False)
async def show(store: InStore, message_id: Id, view: str | None = None) -> Response:
    """One message; `view` is html or text, by default html where there is one."""
    message = known(store, message_id)
    if view not in ("html", "text"):
        view = "text" if message.html is None else "html"
    return _page("message.html", message=message, view=view, links=links(message))


@router.get("/messages/{message_id}/html", include_in_schema=False)
async def show_html(store: InStore, message_id: Id) -> Response:
    """The mail's own HTML, locked in."""
    if (html := known(store, message_id).html) is None:
        raise NotFound("This message has no HTML part.")
    return HTMLResponse(html, headers=_guarded(MAIL_POLICY))


@router.get("/messages/{message_id}/source", include_in_schema=False)
async def show_source(store: InStore, message_id: Id) -> Response:
    """The bytes as they came."""
    return Response(
        store.source(known(store, message_id).id),
        media_type="text/plain; charset=utf-8",
        headers=_guarded(MAIL_POLICY),
    )


@router.get("/messages/{message_id}/attachments/{number}", include_in_schema=False)
async def download(
    store: InStore, message_id: Id, number: Annotated[int, InPath(ge=1, le=1_000)]
) -> Response:
    """One attachment to save; they are numbered from 1 as listed."""
    attachments = known(store, message_id).attachments
    if number > len(attachments):
        raise NotFound("This message has no such attachment.")
    attachment = attachments[number - 1]
    name = quote(attachment.filename or f"attachment-{number}", safe="")
    headers = _guarded(MAIL_POLICY)
    headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    content_type = attachment.content_type
    if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", content_type):
        content_type = "application/octet-stream"
    return Response(
        attachment.data,
        media_type=content_type,
        headers=headers,
    )


@router.get("/style.css", include_in_schema=False)
async def style() -> Response:
    """The only asset of the pages."""
    return Response((FOLDER / "style.css").read_bytes(), media_type="text/css")


def _page(template: str, **context: object) -> HTMLResponse:
    html = pages.get_template(template).render(context)
    return HTMLResponse(html, headers=_guarded(PAGE_POLICY))


def _guarded(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
