"""Containers, where a Docker engine answers."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local import postgres
from tests.servers import rabbitmq

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

POSTGRES_IMAGE = "postgres:15"
RABBITMQ_IMAGE = "rabbitmq:3-management"
PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"
PATIENCE = 120.0


def engine_answers() -> bool:
    """Whether an engine answers at `DOCKER_HOST`; the command line proves nothing."""
    place = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    family = socket.AF_UNIX if place.scheme == "unix" else socket.AF_INET
    address = (
        place.path if place.scheme == "unix" else (place.hostname, place.port or 2375)
    )
    with contextlib.suppress(OSError), socket.socket(family) as engine:
        engine.settimeout(2)
        engine.connect(address)
        engine.sendall(PING)
        return b" 200 " in engine.recv(100)
    return False


def start_postgres(at_the_end: Callable[[Callable[[], None]], None]) -> str:
    """A superuser's `postgresql://` URL; `at_the_end` takes what removes the server."""
    password = secrets.token_hex(16)
    container = (
        _container(POSTGRES_IMAGE)
        .with_env("POSTGRES_USER", postgres.SUPERUSER)
        .with_env("POSTGRES_PASSWORD", password)
        .with_env("POSTGRES_DB", "postgres")
        .with_exposed_ports(5432)
        .with_command("postgres -c fsync=off -c max_connections=300")
    )
    at_the_end(container.stop)
    container.start()
    host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
    _wait(lambda: postgres.answers(port, host))
    return f"postgresql://{postgres.SUPERUSER}:{password}@{host}:{port}/postgres"


def start_rabbitmq(at_the_end: Callable[[Callable[[], None]], None]) -> tuple[str, str]:
    """The AMQP URL and that of the management API."""
    password = secrets.token_hex(16)
    container = (
        _container(RABBITMQ_IMAGE)
        .with_env("RABBITMQ_DEFAULT_USER", rabbitmq.USER)
        .with_env("RABBITMQ_DEFAULT_PASS", password)
        .with_exposed_ports(5672, 15672)
    )
    at_the_end(container.stop)
    container.start()
    host, port = container.get_container_host_ip(), container.get_exposed_port(5672)
    login = f"{rabbitmq.USER}:{password}@{host}"
    management_url = f"http://{login}:{container.get_exposed_port(15672)}"
    _wait(lambda: rabbitmq.answers(port, management_url, host))
    return f"amqp://{login}:{port}/%2f", management_url


def _container(image: str) -> "DockerContainer":
    # 140 ms, which only a run with an engine needs to spend.
    from testcontainers.core.container import DockerContainer

    return DockerContainer(image)


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the container is not ready")
        time.sleep(0.1)
