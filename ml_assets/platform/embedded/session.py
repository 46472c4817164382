"""The embedded Spark engine: Sail, a Spark Connect server inside this process, without a JVM.

One server and one session per process, on 127.0.0.1 at a free port, in UTC. Sail writes its log to
stderr, by default from INFO on; ``start_session`` silences it unless the user has set ``RUST_LOG``
(``RUST_LOG=info ml-assets …`` shows it). Sail forgets a session that was idle for some time, and a
forgotten session cannot be used again, so the idle limit is lifted unless the user has set
``SAIL_SPARK__SESSION_TIMEOUT_SECS``.

Sail would also end its server at Ctrl-C, before anything that still needs it (interrupting the
query, the next run of the same process): so the interpreter's own handler is put back.

A process forked while the engine runs cannot use Spark (gRPC's threads do not survive a fork, and
the first call would wait forever): there ``start_session`` refuses. Start such processes with
multiprocessing's ``spawn`` or ``forkserver``. The parent is not disturbed by its forks.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import threading
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import MlAssetsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

#: The pyspark series whose Connect protocol the installed Sail speaks.
PYSPARK_SERIES = "4.2"

_TEN_YEARS_SECONDS = str(10 * 365 * 24 * 3600)
_ENGINE_ENVIRONMENT = {
    "RUST_LOG": "off",
    "SAIL_SPARK__SESSION_TIMEOUT_SECS": _TEN_YEARS_SECONDS,
    # With gRPC's own fork handlers the parent hangs at its next call after any fork.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    # Statistics of Parquet files leave NaN out. Sail 0.7 takes them at their word: a column of 1.0
    # and NaN is read as 1.0 alone, and a filter skips files and pages whose NaN it would have to keep.
    "SAIL_EXECUTION__COLLECT_STATISTICS": "false",
    "SAIL_PARQUET__PRUNING": "false",
    "SAIL_PARQUET__ENABLE_PAGE_INDEX": "false",
}


class EngineError(MlAssetsError):
    """The Spark engine cannot be started in this process."""


@dataclass
class _Engine:
    """The running server and its session, or nothing yet."""

    server: Any = None
    session: SparkSession | None = None


_lock = threading.RLock()
_engine = _Engine()
#: Engines of the processes that this one was forked from while they ran: their threads are gone, so
#: they must never be touched, not even by their destructors.
_inherited: list[_Engine] = []


def start_session() -> SparkSession:
    """Start the engine once per process, and return its session (UTC).

    Safe to call from several threads, and again after ``stop_session``. An engine that was ended
    from outside is replaced by a new one.

    Raises
    ------
    EngineError
        When pyspark is missing or of another series than the installed Sail speaks, or when this
        process was forked from one whose engine was running.
    """
    with _lock:
        if _engine.session is not None and _answers(_engine):
            return _engine.session
        stop_session()
        _refuse_after_fork()
        _check_pyspark()
        with _environment_defaults(_ENGINE_ENVIRONMENT):
            _engine.server = _start_server()
            _engine.session = _connect(_engine.server)
        _keep_interrupts()
        # Registered after pyspark's own handler, hence called before it: it finds all closed.
        atexit.unregister(stop_session)
        atexit.register(stop_session)
        return _engine.session


def stop_session() -> None:
    """End the session and its server; does nothing when none was started."""
    with _lock:
        session, server, answers = _engine.session, _engine.server, _answers(_engine)
        _engine.session = _engine.server = None
        if session is not None:
            with warnings.catch_warnings():
                # A server that goes away while it is asked to is no news to anybody.
                warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]", UserWarning)
                session.stop() if answers else session.client.close()
        if server is not None and server.running:
            server.stop()


def _answers(engine: _Engine) -> bool:
    """Whether the session is open and somebody listens (a server says "running" when it is not)."""
    if engine.session is None or engine.session.is_stopped:  # type: ignore[attr-defined]  # Connect's
        return False
    address = engine.server.listening_address
    if address is None:
        return False
    try:
        with socket.create_connection(address, timeout=5):
            return True
    except OSError:
        return False


def _keep_interrupts() -> None:
    """Install the interpreter's handler of Ctrl-C again, over the one that Sail installed."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(signal.SIGINT, handler)


def _refuse_after_fork() -> None:
    if _inherited:
        raise EngineError(
            "Spark session",
            found="this process was forked from one whose Spark session was running",
            expected="a process of its own, or threads",
            fix='use multiprocessing.get_context("spawn"), or start the session after the fork',
        )


def _check_pyspark() -> None:
    try:
        found = version("pyspark")
    except PackageNotFoundError:
        found = "not installed"
    if not found.startswith(f"{PYSPARK_SERIES}."):
        raise EngineError(
            "pyspark",
            found=found,
            expected=f"{PYSPARK_SERIES}.x, the series that the embedded engine (pysail) speaks",
            fix=f"pip install 'pyspark[connect]=={PYSPARK_SERIES}.*'",
        )


def _start_server() -> Any:
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    return server


def _connect(server: Any) -> SparkSession:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    host, port = server.listening_address
    builder = SparkSession.builder.remote(f"sc://{host}:{port}")
    session = builder.config("spark.sql.session.timeZone", "UTC").create()
    # The server is in this process: when it is gone, ten minutes of retries do not bring it back.
    session.client.set_retry_policies([DefaultPolicy(max_retries=3)])
    return session


@contextlib.contextmanager
def _environment_defaults(values: dict[str, str]) -> Iterator[None]:
    """Set what the user has not set, and take it back: children must not inherit it."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _forget_in_child() -> None:
    global _lock, _engine
    if _engine.server is not None:
        _inherited.append(_engine)
    _lock, _engine = threading.RLock(), _Engine()


os.register_at_fork(after_in_child=_forget_in_child)
