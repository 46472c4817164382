"""Sail with the catalogs of a workspace: one server per process, one session per workspace."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

#: Catalogs that exist in every workspace; the engine must know them when it starts.
CATALOGS = ("dev", "flight_ops", "main", "ml", "shop")


@functools.cache
def server() -> Any:
    """Start the engine once per process."""
    os.environ.setdefault("RUST_LOG", "off")
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    os.environ["SAIL_CATALOG__LIST"] = _catalog_list()
    os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = CATALOGS[0]
    os.environ["SAIL_CATALOG__DEFAULT_DATABASE"] = '["default"]'
    os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"] = "36000"
    from pysail.spark import SparkConnectServer

    started = SparkConnectServer(ip="127.0.0.1", port=0)
    started.start(background=True)
    return started


def address() -> str:
    """Where the engine listens."""
    host, port = server().listening_address
    return f"sc://{host}:{port}"


def new_session(warehouse: Path) -> SparkSession:
    """Open a session with empty catalogs, and make it the one that ``getOrCreate`` returns."""
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    ConnectSession._default_session = None
    ConnectSession._active_session.session = None
    builder = SparkSession.builder.remote(address())
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    return builder.config("spark.sql.warehouse.dir", str(warehouse)).create()


def close_session(session: SparkSession) -> None:
    """Let the session go; the engine stays for the next one."""
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    ConnectSession._default_session = None
    ConnectSession._active_session.session = None
    session.client.close()


def _catalog_list() -> str:
    entries = (
        f'{{type="memory", name="{name}", initial_database=["default"]}}' for name in CATALOGS
    )
    return f"[{', '.join(entries)}]"
