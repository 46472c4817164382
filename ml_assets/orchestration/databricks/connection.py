"""A client for the workspace, made from the configuration and the usual ways of Databricks' SDK."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ml_assets.orchestration.databricks.errors import WorkspaceError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

#: The environment variable that the SDK itself reads a token from.
TOKEN_VARIABLE = "DATABRICKS_TOKEN"  # noqa: S105 - a name
_PLACEHOLDERS = ("", "None")


def connect(
    host: str, profile: str, token_variable: str, *, retry_seconds: int, http_seconds: float
) -> WorkspaceClient:
    """Make a fresh client; nothing is asked of the workspace yet.

    Empty ``host`` and ``profile`` leave it to the SDK (``DATABRICKS_HOST``, ``DATABRICKS_TOKEN``,
    OAuth ``DATABRICKS_CLIENT_ID`` and ``_SECRET``, profiles, cloud identities). The seconds are: how
    long the SDK repeats what may pass, and how long one request may take.

    Raises
    ------
    WorkspaceError
        When no host or no credentials are configured.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

    chosen: dict[str, Any] = {"host": _host(host, profile), "profile": profile or None}
    if token_variable and token_variable != TOKEN_VARIABLE:
        chosen["token"] = _variable(token_variable)
    try:
        config = Config(
            **{name: value for name, value in chosen.items() if value},
            retry_timeout_seconds=retry_seconds,
            http_timeout_seconds=http_seconds,
            clock=_impatient_clock(retry_seconds),
            product="ml_assets",
        )
    except ValueError as error:
        raise _no_credentials(error) from error
    return WorkspaceClient(config=config)


def address(host: str) -> str:
    """Name a workspace as the SDK needs it, from what a browser shows of any of its pages.

    >>> address("https://adb-123.4.azuredatabricks.net/?o=123#job/7")
    'https://adb-123.4.azuredatabricks.net'
    >>> address(" dbc-1.cloud.databricks.com/ "), address("http://127.0.0.1:8080")
    ('https://dbc-1.cloud.databricks.com', 'http://127.0.0.1:8080')
    """
    host = host.strip()
    if not host or host in _PLACEHOLDERS:
        return host
    parts = urlsplit(host if "://" in host else f"https://{host}")
    if not parts.hostname or parts.netloc.endswith(":"):
        return host  # Misspelled: the error names what was written.
    return f"{parts.scheme}://{parts.netloc}"


def _impatient_clock(longest: float) -> Any:
    """A clock for the SDK that never sleeps longer than it may repeat a call at all.

    ``Retry-After`` may ask for an hour, and the SDK would sleep that long before it gives up.
    """
    from databricks.sdk.clock import RealClock

    class Impatient(RealClock):
        def sleep(self, seconds: float) -> None:
            time.sleep(min(seconds, longest))

    return Impatient()


def _host(host: str, profile: str) -> str:
    found = address(host or os.environ.get("DATABRICKS_HOST", ""))
    if profile and not host:
        return ""  # the profile names it
    if found in _PLACEHOLDERS and not os.environ.get("DATABRICKS_CONFIG_PROFILE"):
        raise WorkspaceError(
            "databricks: the workspace",
            found="no host: DATABRICKS_HOST is not set, and no profile is named",
            expected="the address of a workspace, https://….cloud.databricks.com",
            fix="export DATABRICKS_HOST=https://…, or name a profile of ~/.databrickscfg",
        )
    return found


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if value in _PLACEHOLDERS:
        raise WorkspaceError(
            "databricks: the token",
            found=f"the environment variable {name} is not set",
            expected="an access token in it",
            fix=f"export {name}=…, or remove token_variable: the SDK finds credentials by itself",
        )
    return value


def _no_credentials(error: ValueError) -> WorkspaceError:
    text = " ".join(str(error).split())
    return WorkspaceError(
        "databricks: the credentials",
        # What the SDK found follows in its text, with the values of secrets masked by the SDK.
        found=text.partition(". Config:")[0],
        expected="credentials in one of the usual ways of the Databricks SDK",
        fix="export DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or log in "
        "with `databricks auth login` and name the profile",
    )
