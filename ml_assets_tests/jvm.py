"""Apache Spark on the JVM for tests: in processes of their own, beside the tests' Sail session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = {
    # These sessions live for seconds: the slow, thorough compiler would never pay off.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}
HOME = os.environ.get("JAVA_HOME")
JAVA = shutil.which("java", path=f"{HOME}/bin") if HOME else shutil.which("java")

needs_java = pytest.mark.skipif(
    JAVA is None,
    reason="NOT TESTED: there is no `java`, so nothing was compared with Apache Spark. Install Java 17 "
    "and run this again.",
)


def classic_session(**settings: str) -> SparkSession:
    """Start Spark on the JVM in this process, with two task slots."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("ml_assets tests")
    for name, value in {**SETTINGS, **settings}.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.getOrCreate()
    return session


def connect_session() -> SparkSession:
    """Start Spark with its Connect server on the JVM, and connect to it as a cluster's user would.

    The session that pyspark itself starts for ``local`` listens on one fixed port.
    """
    port = str(free_port())
    server = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
    }
    classic_session(**server)
    # From here on pyspark.sql.functions build Connect's columns, not the JVM's.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    from pyspark.sql.connect.session import SparkSession

    session: SparkSession = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    return session


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_module(module: str, *arguments: str, given: str = "", seconds: float = 300) -> None:
    """Run a module of the tests in a fresh process, without what Sail's session left behind."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=given,
        env={**environment, "PYSPARK_PYTHON": sys.executable},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{module}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
