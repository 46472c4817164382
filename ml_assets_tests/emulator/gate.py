"""What every request passes: it is recorded, a fault may happen to it, its token is checked."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.routing import Match

from ml_assets_tests.emulator.identity import OPEN, OPEN_PAGE
from ml_assets_tests.emulator.web import ApiError, NotEmulatedError, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.routing import Route

    from ml_assets_tests.emulator.faults import Fault, Faults
    from ml_assets_tests.emulator.identity import Identity

TICK = 0.02


@dataclass
class Recorded:
    """One request and what became of it; ``status`` 0 means that no answer was sent."""

    method: str
    path: str
    query: str
    at: float
    status: int = 0
    seconds: float = 0.0
    fault: bool = False


@dataclass
class Records:
    """Every request since the start or the last ``clear``."""

    all: list[Recorded] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, record: Recorded) -> None:
        """Keep a request."""
        with self._lock:
            self.all.append(record)

    def matching(self, pattern: str) -> list[Recorded]:
        """Give the requests whose ``"METHOD /path"`` has the pattern in it."""
        with self._lock:
            return [r for r in self.all if re.search(pattern, f"{r.method} {r.path}")]

    def count(self, pattern: str = "") -> int:
        """Count them."""
        return len(self.matching(pattern))

    def by_endpoint(self) -> dict[str, int]:
        """Count requests by method and the beginning of the path, for people who read a failure."""
        found: dict[str, int] = {}
        for record in self.matching(""):
            name = f"{record.method} {'/'.join(record.path.split('/')[:6])}"
            found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self.all.clear()


class Gate:
    """The ASGI application. ``cut`` ends a client's connection; ``problems`` are for the test."""

    def __init__(
        self, routes: Sequence[Route], identity: Identity, faults: Faults, records: Records
    ) -> None:
        self.routes, self.identity = routes, identity
        self.faults, self.records = faults, records
        self.problems: list[str] = []
        self.cut: Callable[[Any], None] = lambda _: None
        self.closing = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"not served: {scope['type']}")
        query = scope["query_string"].decode()
        record = Recorded(scope["method"], scope["path"], query, time.time())
        self.records.add(record)
        body = await _whole(receive)

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        fault = self.faults.take(record.method, record.path)
        try:
            if fault:
                record.fault = True
                await asyncio.sleep(fault.delay)
            if await self._held(fault):
                self.cut(scope["client"])
                return
            await self._pass(fault, scope, body, noted)
        finally:
            record.seconds = time.time() - record.at

    async def _held(self, fault: Fault | None) -> bool:
        """Wait while frozen; whether the server is closing down instead."""
        while self.faults.frozen or (fault and fault.freeze):
            if self.closing:
                return True
            await asyncio.sleep(TICK)
        return False

    async def _pass(self, fault: Fault | None, scope: Any, body: Any, send: Any) -> None:
        if fault and fault.perform:
            await self._serve(scope, body, _nowhere)
        if fault and fault.lose:
            self.cut(scope["client"])
            # Lets the connection be seen as closed before we return without an answer.
            await asyncio.sleep(0)
        elif fault and fault.status:
            wait = {"retry-after": str(fault.retry_after)} if fault.retry_after is not None else {}
            error = ApiError(fault.status, fault.code, fault.message)
            await error.response(wait)(scope, body, send)
        else:
            await self._serve(scope, body, send)

    async def _serve(self, scope: Any, body: Any, send: Any) -> None:
        try:
            if not (scope["path"].startswith(OPEN) or scope["path"] == OPEN_PAGE):
                headers = dict(scope["headers"])
                self.identity.check(headers.get(b"authorization", b"").decode())
            await self._dispatch(scope, body, send)
        except ApiError as error:
            if isinstance(error, NotEmulatedError):
                self.problems.append(error.message)
            await error.response()(scope, body, send)
        except Exception as error:
            self.problems.append(f"{scope['method']} {scope['path']}: {error!r}")
            await ApiError(500, "INTERNAL_ERROR", repr(error)).response()(scope, body, send)
            raise

    async def _dispatch(self, scope: Any, body: Any, send: Any) -> None:
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                await route.handle({**scope, **found}, body, send)
                return
        unknown = f"{scope['method']} {scope['path']}"
        self.problems.append(f"unknown endpoint: {unknown}")
        raise missing(f"No API found for '{unknown}'", "ENDPOINT_NOT_FOUND")


async def _whole(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Read the whole body now, so that a request can be performed and its answer lost."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    return again


async def _nowhere(message: Any) -> None:
    """Lose an answer."""
