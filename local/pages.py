"""The plain pages of local mode: a start page with links, and where Checkout ends."""

from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.clock import MovableClock
from local.settings import PASSWORD, LocalSettings

FOLDER = Path(__file__).parent / "templates"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined
)


def make_router(settings: LocalSettings, clock: MovableClock) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    async def links() -> HTMLResponse:
        return page(settings, "links.html", now=clock.now(), password=PASSWORD)

    @router.get("/checkout/{outcome}")
    async def after_checkout(outcome: Literal["success", "cancel"]) -> HTMLResponse:
        return page(settings, "checkout.html", paid=outcome == "success")

    @router.get("/local/style.css")
    async def style() -> Response:
        return Response((FOLDER / "style.css").read_bytes(), media_type="text/css")

    return router


def page(settings: LocalSettings, template: str, **values: object) -> HTMLResponse:
    html = TEMPLATES.get_template(template).render(settings=settings, **values)
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})
