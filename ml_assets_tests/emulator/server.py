"""The emulator itself: one HTTP server on 127.0.0.1 in a thread, and the state behind it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ml_assets_tests.emulator.compute import Compute
from ml_assets_tests.emulator.faults import Faults
from ml_assets_tests.emulator.gate import Gate, Records
from ml_assets_tests.emulator.identity import Identity
from ml_assets_tests.emulator.jobs import Jobs
from ml_assets_tests.emulator.pages import Pages
from ml_assets_tests.emulator.processes import wait_until
from ml_assets_tests.emulator.sql import Sql
from ml_assets_tests.emulator.unity import Unity
from ml_assets_tests.emulator.volumes import Volumes

if TYPE_CHECKING:
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from ml_assets_tests.emulator.environments import TaskEnvironments

ADDRESS = "127.0.0.1"


class Emulator:
    """A workspace under a folder. Its state outlives the HTTP server, which can be restarted.

    ``unity``, ``sql``, ``compute``, ``jobs`` and ``identity`` are what the services know, and are
    set up by tests directly; ``faults`` makes things go wrong; ``requests`` is what was asked.
    """

    def __init__(self, root: Path, environments: TaskEnvironments) -> None:
        root = root.resolve()
        self.identity = Identity()
        self.unity = Unity(root / "Volumes", self.identity.user)
        self.volumes = Volumes(self.unity)
        self.compute = Compute()
        self.sql = Sql(self.unity)
        self.environments = environments
        self.jobs = Jobs(self.volumes, self.compute, self.identity, environments, root / "tasks")
        self.faults = Faults()
        self.requests = Records()
        services: list[Any] = [self.identity, self.unity, self.volumes, self.compute]
        services += [self.sql, self.jobs, Pages(self.jobs)]
        routes = [route for service in services for route in service.routes()]
        self.gate = Gate(routes, self.identity, self.faults, self.requests)
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._connections: dict[Any, Any] = {}

    @property
    def host(self) -> str:
        """The address, as in ``DATABRICKS_HOST``; it stays the same over restarts."""
        return f"http://{ADDRESS}:{self._port}"

    @property
    def token(self) -> str:
        """The personal access token that is accepted now, as in ``DATABRICKS_TOKEN``."""
        return self.identity.token

    @property
    def volumes_root(self) -> str:
        """The folder that stands for ``/Volumes``, for REST calls and for job processes alike."""
        return str(self.unity.volumes_root)

    @property
    def problems(self) -> list[str]:
        """What was asked for that is not emulated. A test that leaves any has failed."""
        return self.gate.problems

    def client(self, **values: Any) -> WorkspaceClient:
        """Build a real client with the current token; ``values`` are those of the SDK's Config."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config

        return WorkspaceClient(config=Config(host=self.host, token=self.token, **values))

    def start(self) -> None:
        """Serve; returns when connections are accepted."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, self._port))
        self._port = listener.getsockname()[1]
        self.identity.host = self.host
        self.gate.cut, self.gate.closing = self._cut, False
        config = uvicorn.Config(
            self.gate,
            http=self._protocol(),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        serve = threading.Thread(
            target=server.run, args=([listener],), name="emulator", daemon=True
        )
        self._thread = serve
        serve.start()
        wait_until(lambda: server.started, 10, "the emulator to start")

    def stop_serving(self, *, wait: bool = True) -> None:
        """Close all connections and the port; runs go on, and so does what is stored."""
        self.gate.closing = True
        for transport in list(self._connections.values()):
            # A keep-alive connection would be waited for.
            self._server.servers[0].get_loop().call_soon_threadsafe(transport.abort)
        self._server.should_exit = True
        if not wait:
            return
        self._thread.join(10)
        if self._thread.is_alive():
            raise TimeoutError("the emulator did not stop")

    def restart(self, down: float = 0.0) -> None:
        """Be gone for ``down`` seconds, then answer again at the same address, knowing the same."""
        self.stop_serving()
        time.sleep(down)
        self.start()

    def stop(self) -> None:
        """End the server (a moment later), every run and every process."""
        self.stop_serving(wait=False)
        self.jobs.stop()

    def _cut(self, client: Any) -> None:
        if transport := self._connections.get(tuple(client)):
            transport.abort()

    def _protocol(self) -> type[H11Protocol]:
        """HTTP as uvicorn speaks it, but with connections that can be found by their address."""
        connections = self._connections

        class Protocol(H11Protocol):
            def connection_made(self, transport: Any) -> None:
                connections[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Protocol
