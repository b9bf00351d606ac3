"""What `docker-compose.yml` promises, read as Compose reads it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc.jwk import ECKey

from deploy import make_env, rabbitmq_users
from local.settings import SERVICES
from services.accounts.settings import AccountsSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()

OURS = sorted(
    name for name, each in CONTAINERS.items() if each["image"].startswith("scrimline/")
)
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")
SECRET = re.compile(r"PASSWORD|KEYS?$|SECRET")


def variables(text: str) -> dict[str, str]:
    """The variables that Compose fills in, and what it does without each."""
    return {name: default or "" for name, default in VARIABLE.findall(text)}


def assigned(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value for name, _, value in lines if not name.startswith("#")}


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_every_service_of_the_code_has_its_container_and_its_migration(
    name: str,
) -> None:
    serving, migrating = CONTAINERS[name], CONTAINERS[f"{name}-migrate"]

    assert serving["build"]["args"] == {"SERVICE": name}
    assert migrating["build"] == serving["build"]
    assert migrating["image"] == serving["image"]
    assert migrating["command"] == ["migrate"]
    assert migrating["restart"] == "on-failure"
    assert "command" not in serving


def test_the_services_are_those_of_the_code() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/app.py")}

    assert folders == set(SERVICES)


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_nobody_serves_before_all_queues_exist(name: str) -> None:
    needed = CONTAINERS[name]["depends_on"]

    for service in SERVICES:
        assert needed[f"{service}-migrate"] == {
            "condition": "service_completed_successfully"
        }


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_can_do_little(name: str) -> None:
    container = CONTAINERS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["user"] not in ("root", "0", "0:0")
    assert "/tmp" in container["tmpfs"]  # noqa: S108
    assert not {"privileged", "cap_add", "network_mode", "pid"} & container.keys()


@pytest.mark.parametrize("name", OURS)
def test_our_own_run_as_nobody_in_particular(name: str) -> None:
    assert CONTAINERS[name]["user"] == "10001:10001"
    assert "volumes" not in CONTAINERS[name]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_images_bear_a_version(name: str) -> None:
    image = CONTAINERS[name]["image"]

    assert ":" in image
    assert not image.endswith(":latest")


def test_only_loopback_ports_of_three_are_published() -> None:
    published = {
        name: each["ports"] for name, each in CONTAINERS.items() if "ports" in each
    }

    assert published == {
        "gateway": ["127.0.0.1:8000:8000"],
        "stripe": ["127.0.0.1:8090:8090"],
        "mailbox": ["127.0.0.1:8025:8025"],
    }


def test_databases_and_queues_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "rabbitmq"):
        assert CONTAINERS[name]["networks"] == ["data"]
    for name in ("stripe", "mailbox"):
        assert "data" not in CONTAINERS[name]["networks"]


def test_without_a_secret_nothing_starts() -> None:
    used = variables(TEXT)
    secrets = {name: rule for name, rule in used.items() if SECRET.search(name)}

    assert len(secrets) > len(SERVICES)
    assert all(rule.startswith(":?") for rule in secrets.values()), secrets
    others = {name: rule for name, rule in used.items() if name not in secrets}
    assert all(rule.startswith(":-") for rule in others.values()), others


def test_no_container_knows_the_secret_of_another() -> None:
    for name in (*SERVICES, "gateway"):
        for container in (name, f"{name}-migrate"):
            known = variables(str(CONTAINERS[container]["environment"]))
            for other in {*SERVICES, "gateway"} - {name}:
                assert f"{other.upper()}_DATABASE_PASSWORD" not in known
                assert f"{other.upper()}_AMQP_PASSWORD" not in known
            assert "POSTGRES_PASSWORD" not in known
            assert "RABBITMQ_ADMIN_PASSWORD" not in known


def test_only_migrations_may_declare_queues() -> None:
    for name in SERVICES:
        serving = CONTAINERS[name]["environment"]["AMQP_URL"]
        migrating = CONTAINERS[f"{name}-migrate"]["environment"]["AMQP_URL"]

        assert serving.startswith(f"amqp://{name}:")
        assert migrating.startswith("amqp://migrator:")


def test_the_example_names_every_variable_and_no_secret() -> None:
    example = assigned(EXAMPLE)

    assert set(example) == set(variables(TEXT))
    assert not any(value for name, value in example.items() if SECRET.search(name))


def test_every_user_of_the_broker_has_a_password() -> None:
    given = CONTAINERS["rabbitmq-users"]["environment"]
    wanted = {f"{user.upper()}_AMQP_PASSWORD" for user in rabbitmq_users.permissions()}

    assert wanted == {name for name in given if name.endswith("_AMQP_PASSWORD")}


def test_a_made_environment_leaves_nothing_empty() -> None:
    first, second = (assigned(make_env.filled(EXAMPLE)) for _ in range(2))

    assert set(first) == set(variables(TEXT))
    for name, value in first.items():
        assert value, name
        assert (value != second[name]) == bool(SECRET.search(name))
    passwords = [value for name, value in first.items() if name.endswith("PASSWORD")]
    assert all(value.isalnum() for value in passwords)
    [key] = json.loads(first["SIGNING_KEYS"].strip("'"))
    assert ECKey.import_key(key).is_private
    settings = {"database_url": "x", "amqp_url": "y", "signing_keys": [key]}
    assert AccountsSettings.model_validate(settings).environment == "production"


def test_an_environment_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(EXAMPLE)
    make_env.main(tmp_path)
    made = (tmp_path / ".env").read_text()

    with pytest.raises(SystemExit, match="is there already"):
        make_env.main(tmp_path)
    assert (tmp_path / ".env").read_text() == made
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
