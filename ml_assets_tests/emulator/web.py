"""How the services answer: calls in, plain values or an ``ApiError`` out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


class ApiError(Exception):
    """An error as Databricks words it: HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Build the HTTP response."""
        body = {"error_code": self.code, "message": self.message}
        return JSONResponse(body, self.status, headers=dict(headers or {}))


class NotEmulatedError(ApiError):
    """Databricks may know it; this emulator does not, and the test that asked for it fails."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "INVALID_PARAMETER_VALUE", f"not emulated: {message}")


def invalid(message: str) -> ApiError:
    """Refuse a request that can never work."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str, code: str = "RESOURCE_DOES_NOT_EXIST") -> ApiError:
    """Tell that there is no such thing."""
    return ApiError(404, code, message)


def denied(message: str) -> ApiError:
    """Tell that the caller may not do this."""
    return ApiError(403, "PERMISSION_DENIED", message)


@dataclass(frozen=True)
class Call:
    """One request: the path's parameters, the query, the body."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON; an empty one is an empty object."""
        try:
            values = json.loads(self.body or b"{}")
        except ValueError:
            raise ApiError(400, "MALFORMED_REQUEST", "Invalid JSON given in the body.") from None
        if not isinstance(values, dict):
            raise ApiError(400, "MALFORMED_REQUEST", "Expected a JSON object.")
        return values

    def required(self, name: str) -> str:
        """Give a parameter of the query.

        Raises
        ------
        ApiError
            When the caller left it out.
        """
        if name not in self.query:
            raise invalid(f"Missing required field: {name}")
        return self.query[name]

    def flag(self, name: str) -> bool:
        """Give a boolean parameter of the query; false when it was left out."""
        return self.query.get(name, "false").lower() == "true"


def route(method: str, path: str, answer: Callable[[Call], object]) -> Route:
    """Serve ``answer`` (a plain function, called in a worker thread) under a path.

    A dict or list is sent as JSON, None as an empty JSON object, a Response as it is.
    """

    async def endpoint(request: Request) -> Response:
        call = Call(
            params=request.path_params,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await request.body(),
        )
        given = await run_in_threadpool(answer, call)
        return given if isinstance(given, Response) else JSONResponse(given or {})

    return Route(path, endpoint, methods=[method], name=f"{method} {path}")


def page(
    rows: list[Any], call: Call, size: int, key: str, parameter: str = "max_results"
) -> dict[str, Any]:
    """Cut a list into pages the way Databricks does; the token of the next page is opaque.

    ``parameter`` names the query's page size; 0 or none means ``size``, and ``size`` is the most.
    """
    start = int(call.query.get("page_token") or 0)
    asked = int(call.query.get(parameter) or 0) or size
    end = start + min(asked, size)
    found: dict[str, Any] = {key: rows[start:end]}
    if end < len(rows):
        found["next_page_token"] = str(end)
    return found
