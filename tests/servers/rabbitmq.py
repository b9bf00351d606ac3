"""A private RabbitMQ node: own ports, own data, own epmd, and a management API."""

import contextlib
import os
import secrets
import shutil
import socket
from pathlib import Path
from signal import SIGTERM
from typing import Any

import httpx2

from local.processes import (
    Process,
    free_port,
    give,
    temporary_folder,
    unprivileged,
)

USER = "scrimline"
SCRIPTS = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"


def find_server() -> Path | None:
    """RabbitMQ's own start script; Debian's on the PATH insists on its one user."""
    for root in (Path("/usr"), Path("/usr/local")):
        if found := sorted(root.glob(SCRIPTS)):
            return found[-1]
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path).resolve() if on_path else None


class Rabbitmq:
    """One node, temporary: its data goes when it is closed, or when we die. Blocking.

    `url` is `amqp://…/%2f`, `management_url` is `http://…`, both with the user in them.
    Ports and data stay the same from start to start.
    """

    def __init__(self) -> None:
        script = find_server()
        if script is None:
            raise RuntimeError("RabbitMQ is not installed (Debian: rabbitmq-server)")
        self._user = unprivileged("rabbitmq")
        self._folder = temporary_folder(self._user)
        self.port, self._distribution_port = free_port(), free_port()
        self._epmd_port, self._management_port = free_port(), free_port()
        self._password = secrets.token_hex(16)
        epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        # The node removes the folder; epmd keeps nothing in it but its log.
        self._epmd = Process(
            "epmd", epmd, self._folder, user=self._user, env=self._environment()
        )
        self._node = Process(
            "rabbitmq",
            [script, "-noinput"],
            self._folder,
            user=self._user,
            env=self._environment(),
            stop_signal=SIGTERM,
            temporary=True,
        )
        self._configure()

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{self._password}@127.0.0.1:{self.port}/%2f"

    @property
    def management_url(self) -> str:
        return f"http://{USER}:{self._password}@127.0.0.1:{self._management_port}"

    def start(self) -> None:
        """Return once AMQP and the management API answer."""
        if not self._epmd.running:
            self._epmd.start(lambda: _listens(self._epmd_port))
        self._node.start(lambda: answers(self.port, self.management_url))

    def stop(self) -> None:
        """Orderly shutdown: connections are closed, queues are kept."""
        self._node.stop()

    def kill9(self) -> None:
        """Kill the node at once; `start` recovers what was confirmed.

        A quorum queue needs some seconds of life before that: killed within three
        seconds of its declaration, RabbitMQ 3.10 brings it back without a leader
        (rabbitmq-server issue 10070), and publishing into it hangs.
        """
        self._node.kill9()

    def pause(self) -> None:
        """Freeze the node: connections stay open and nobody answers."""
        self._node.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._node.resume()

    def close(self) -> None:
        """End node and epmd for good, and remove the data."""
        self._epmd.close()
        self._node.close()

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RABBITMQ")}
        return kept | {
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            # Erlang itself is then our child, without a shell in between.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_NODENAME": f"{self._folder.name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2"
            ),
        }

    def _configure(self) -> None:
        files = {
            "env.conf": "",
            "plugins": "[rabbitmq_management].\n",
            ".erlang.cookie": secrets.token_hex(16),
            "rabbitmq.conf": "\n".join(
                [
                    f"listeners.tcp.default = 127.0.0.1:{self.port}",
                    "management.tcp.ip = 127.0.0.1",
                    f"management.tcp.port = {self._management_port}",
                    f"default_user = {USER}",
                    f"default_pass = {self._password}",
                    "disk_free_limit.absolute = 50MB",
                    "",
                ]
            ),
        }
        for name, text in files.items():
            (self._folder / name).write_text(text)
            (self._folder / name).chmod(0o400 if name == ".erlang.cookie" else 0o600)
            give(self._folder / name, self._user)


def answers(port: int, management_url: str, host: str = "127.0.0.1") -> bool:
    """The AMQP 0-9-1 header is answered by a method frame, and the API knows us."""
    with contextlib.suppress(OSError, httpx2.HTTPError):
        with socket.create_connection((host, port), timeout=5) as probe:
            probe.sendall(b"AMQP\0\0\x09\x01")
            if probe.recv(1) != b"\x01":
                return False
        call(management_url, "GET", "overview")
        return True
    return False


def call(management_url: str, method: str, path: str, body: Any = None) -> None:
    """One call of the management API; raises `httpx2.HTTPError` when it is refused."""
    with httpx2.Client(trust_env=False, verify=False, timeout=20) as client:
        url = f"{management_url}/api/{path}"
        client.request(method, url, json=body).raise_for_status()


def create_vhost(management_url: str, name: str) -> None:
    """An empty vhost that the API's own user may use."""
    user = httpx2.URL(management_url).username
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    call(management_url, "PUT", f"vhosts/{name}")
    call(management_url, "PUT", f"permissions/{name}/{user}", everything)


def delete_vhost(management_url: str, name: str) -> None:
    """Remove the vhost; connections into it are closed."""
    call(management_url, "DELETE", f"vhosts/{name}")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
