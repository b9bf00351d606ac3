"""The tables of settings in the operators' page are those of the code."""

import importlib
import json
import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from gateway.settings import GatewaySettings
from local.settings import SERVICES
from shared.settings import ServiceSettings

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.+) \|$", re.MULTILINE)


def settings_of(name: str) -> type[BaseSettings]:
    if name == "every service":
        return ServiceSettings
    if name == "gateway":
        return GatewaySettings
    module = importlib.import_module(f"services.{name}.settings")
    found: type[BaseSettings] = getattr(module, f"{name.title()}Settings")
    return found


def in_code(name: str) -> dict[str, str]:
    """Each variable and its default as the page shows it."""
    settings = settings_of(name)
    shared = ServiceSettings.model_fields if settings is not ServiceSettings else {}
    return {
        field.upper(): _shown(info.get_default(call_default_factory=True))
        if not info.is_required()
        else "required"
        for field, info in settings.model_fields.items()
        if name == "gateway" or field not in shared
    }


def _shown(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, tuple):
        return f"`{json.dumps(list(default))}`"
    return f"`{default}`"


def in_page(name: str) -> dict[str, str]:
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    return {variable: default for variable, default, _ in ROW.findall(section)}


@pytest.mark.parametrize("name", ["every service", *SERVICES, "gateway"])
def test_the_page_has_every_setting_with_its_default(name: str) -> None:
    assert in_page(name) == in_code(name)
