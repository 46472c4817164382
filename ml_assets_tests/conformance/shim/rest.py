"""The workspace's REST server on 127.0.0.1: checks the token, keeps a log, knows no unknown route."""

from __future__ import annotations

import json
import threading
import traceback
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlparse

from pyspark.errors import AnalysisException

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "only-a-test"


@dataclass(frozen=True)
class Request:
    """What was asked for, and how it was answered."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Call:
    """A request as a route sees it; ``values`` are the query's or the body's."""

    method: str
    path: str
    values: dict[str, Any]


class UnknownRouteError(LookupError):
    """No such route in the shim."""


@dataclass
class RestServer:
    """Answers with what ``route`` returns; ``UnknownRouteError`` is a 404 that fails the test."""

    route: Callable[[Call], dict[str, Any]]
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"rest": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def unknown(self) -> list[Request]:
        """Requests that the shim could not answer."""
        return [r for r in self.requests if r.status in {404, 500}]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, call: Call, token: str | None) -> tuple[int, dict[str, Any]]:
        if call.path == "/.well-known/databricks-config":
            return 200, {}  # where to log in; asked without a token
        if token != f"Bearer {TOKEN}":
            return 401, _error("UNAUTHENTICATED", "no token, or a wrong one")
        try:
            return 200, self.route(call)
        except UnknownRouteError:
            return 404, _error("ENDPOINT_NOT_FOUND", f"{call.method} {call.path}")
        except AnalysisException as error:
            return 400, _error("RESOURCE_DOES_NOT_EXIST", str(error))
        except Exception as error:  # noqa: BLE001 - a bug of the shim, shown by the test
            traceback.print_exc()
            return 500, _error("INTERNAL_ERROR", repr(error))


class _Handler(BaseHTTPRequestHandler):
    rest: RestServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        address = urlparse(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        values = json.loads(body) if body else query
        call = Call(self.command, unquote(address.path), values)
        status, answer = self.rest.answer(call, self.headers.get("authorization"))
        self.rest.requests.append(Request(call.method, call.path, status))
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Keep quiet: the requests are in the log."""


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error_code": code, "message": message}
