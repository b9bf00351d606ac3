"""What booking refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.booking.settings import BookingSettings

NEEDED = {"database_url": "postgresql+asyncpg://nowhere", "amqp_url": "amqp://nowhere"}


def settings(**values: Any) -> BookingSettings:
    return BookingSettings.model_validate(NEEDED | values)


@pytest.mark.parametrize(
    "trusting",
    [{"calendars_loopback": True}, {"calendars_ca_file": Path("ca.pem")}],
)
def test_production_reads_no_calendars_at_home(trusting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="for tests and laptops"):
        settings(environment="production", **trusting)
    assert settings(environment="local", **trusting)


@pytest.mark.parametrize(
    "half", [{"jitsi_app_id": "scrimline"}, {"jitsi_app_secret": "secret"}]
)
def test_an_app_id_without_its_secret_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        settings(**half)


def test_what_is_empty_in_the_environment_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**NEEDED, "jitsi_app_id": "", "daily_api_key": ""}.items():
        monkeypatch.setenv(name.upper(), value)
    found = BookingSettings()
    assert (found.jitsi_app_id, found.daily_api_key) == (None, None)


def test_no_key_is_shown() -> None:
    found = settings(
        daily_api_key="d-secret",
        whereby_api_key="w-secret",
        jitsi_app_id="scrimline",
        jitsi_app_secret="j-secret",
    )
    assert "-secret" not in repr(found)
