"""The merged document as a page without scripts."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from gateway.openapi import METHODS, PREFIX, Document

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "reference.css").read_text()


def shape(schema: dict[str, Any] | None) -> Markup:
    """A schema in a few words, with links to the ones it names."""
    if not schema:
        return Markup("anything")
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(f"{PREFIX}schemas/")
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return Markup(" or ").join(shape(each) for each in choices)
    if "enum" in schema:
        return escape(", ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return Markup("list of ") + shape(schema.get("items"))
    words = [str(schema.get("type", "anything")), schema.get("format", "")]
    return escape(" ".join(filter(None, words)))


PAGES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
PAGES.filters["shape"] = shape


def render(document: Document) -> str:
    """The page for people: every operation under its service, then the schemas."""
    services: dict[str, list[dict[str, Any]]] = {
        tag["name"]: [] for tag in document["tags"]
    }
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                entry = {"method": method.upper(), "path": path}
                service = item[method]["tags"][0]
                services[service].append({**entry, "operation": item[method]})
    return PAGES.get_template("reference.html").render(
        document=document,
        services=services,
        schemas=document["components"].get("schemas", {}),
    )
