"""Who is calling: personal access tokens, OAuth for service principals, the current user."""

from __future__ import annotations

import base64
import math
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse

from ml_assets_tests.emulator.web import ApiError, Call, route

if TYPE_CHECKING:
    from starlette.routing import Route

#: What a caller without valid credentials may ask for.
OPEN = ("/oidc/",)
OPEN_PAGE = "/"


@dataclass
class Identity:
    """The tokens that are accepted. ``host`` is filled in by the server."""

    token: str = field(default_factory=lambda: "dapi" + secrets.token_hex(16))
    client_id: str = field(default_factory=lambda: secrets.token_hex(16))
    client_secret: str = field(default_factory=lambda: "dose" + secrets.token_hex(16))
    user: str = "someone@example.com"
    host: str = ""
    #: How long a token from the OAuth endpoint is good for, in seconds.
    token_seconds: float = 3600.0
    _issued: dict[str, float] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)

    def expire(self) -> str:
        """Let every known token expire; give the new personal access token."""
        self._expired |= {self.token, *self._issued}
        self.token = "dapi" + secrets.token_hex(16)
        return self.token

    def check(self, authorization: str) -> None:
        """Accept the header ``Authorization: Bearer <token>``.

        Raises
        ------
        ApiError
            401 without a token or with one that has expired, 403 for an unknown one.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            text = "Credential was not sent or was of an unsupported type for this API."
            raise ApiError(401, "UNAUTHENTICATED", text)
        if token in self._expired or self._issued.get(token, math.inf) < time.time():
            raise ApiError(401, "UNAUTHENTICATED", "The access token has expired.")
        if token != self.token and token not in self._issued:
            raise ApiError(403, "PERMISSION_DENIED", "Invalid access token.")

    def routes(self) -> list[Route]:
        """Serve the OAuth endpoints and the current user."""
        return [
            route("GET", "/oidc/.well-known/oauth-authorization-server", self._endpoints),
            route("POST", "/oidc/v1/token", self._issue),
            route("GET", "/api/2.0/preview/scim/v2/Me", self._me),
        ]

    def _endpoints(self, _: Call) -> dict[str, str]:
        return {
            "authorization_endpoint": f"{self.host}/oidc/v1/authorize",
            "token_endpoint": f"{self.host}/oidc/v1/token",
        }

    def _issue(self, call: Call) -> dict[str, Any] | JSONResponse:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if asked.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        sent = call.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(sent).decode() != f"{self.client_id}:{self.client_secret}":
            known = {"error_description": "Client authentication failed"}
            return JSONResponse({"error": "invalid_client", **known}, 401)
        token = "eyJ" + secrets.token_hex(16)
        self._issued[token] = time.time() + self.token_seconds
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds}

    def _me(self, _: Call) -> dict[str, Any]:
        return {"id": "1001", "userName": self.user, "displayName": "Someone", "active": True}
