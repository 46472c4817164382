from __future__ import annotations

import os
import threading

import pytest

from ml_assets.platform.embedded import EmbeddedPlatform, session
from ml_assets_tests.platform.processes import run_python


def test_one_session_for_all_threads(spark):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(session.start_session())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one is spark for one in found)
    assert len(found) == 4


def test_times_are_utc(spark):
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    row = spark.sql("SELECT unix_timestamp(timestamp'1970-01-02 00:00:00') AS s").first()
    assert row.s == 86400


def test_server_listens_on_this_machine_only(spark):
    host, port = session._engine.server.listening_address
    assert host == "127.0.0.1"
    assert port > 0


def test_environment_is_left_as_it_was(spark):
    assert "SAIL_SPARK__SESSION_TIMEOUT_SECS" not in os.environ
    assert "GRPC_ENABLE_FORK_SUPPORT" not in os.environ


def test_user_settings_win(monkeypatch):
    monkeypatch.setenv("RUST_LOG", "info")
    monkeypatch.delenv("SAIL_SPARK__SESSION_TIMEOUT_SECS", raising=False)
    with session._environment_defaults(session._ENGINE_ENVIRONMENT):
        assert os.environ["RUST_LOG"] == "info"
        assert int(os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"]) > 365 * 24 * 3600
    assert os.environ["RUST_LOG"] == "info"
    assert "SAIL_SPARK__SESSION_TIMEOUT_SECS" not in os.environ


@pytest.mark.parametrize("found", ["4.3.0", "4.1.1", "3.5.2"])
def test_other_pyspark_is_refused(monkeypatch, found):
    monkeypatch.setattr(session, "_engine", session._Engine())
    monkeypatch.setattr(session, "version", lambda _: found)
    with pytest.raises(session.EngineError, match=r"pip install 'pyspark\[connect\]==4.2.\*'") as e:
        session.start_session()
    assert e.value.found == found


def test_life_of_an_engine(home):
    """Silent; stops and starts again; not disturbed by forks; a forked child is told why not."""
    code = """
        import multiprocessing, sys
        from ml_assets.platform.embedded.session import EngineError, start_session, stop_session

        def child():
            try:
                start_session()
            except EngineError as error:
                assert "spawn" in error.fix
                sys.exit(7)

        stop_session()
        first = start_session()
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        assert process.exitcode == 7, process.exitcode
        assert first.range(3).count() == 3
        stop_session()
        second = start_session()
        assert second is not first
        assert second.range(4).count() == 4
    """
    done = run_python(code, home)
    assert done.stderr == ""
    assert done.stdout == ""


def test_ctrl_c_ends_the_query_and_nothing_else(home):
    """Sail's own handler would end the server, and the process would wait ten minutes for it."""
    code = """
        import os, signal, threading
        from ml_assets.platform.embedded import EmbeddedPlatform
        from ml_assets.spec.catalog import TableLayout

        platform = EmbeddedPlatform()
        spark, folder = platform.spark, platform.tables.path("a.b.c")
        frame = spark.range(300_000_000).selectExpr("id AS k", "rand() AS x")
        threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            platform.tables.stage(frame, TableLayout(name="a.b.c"))
        except KeyboardInterrupt:
            assert platform.spark is spark
            assert spark.range(3).count() == 3
            assert not platform.tables.info("a.b.c").exists
            # On a busy machine the engine may still finish a file after its folder was removed: it is
            # in a staging folder of its own, which a later staging removes.
            left = [p.relative_to(folder).parts for p in folder.rglob("*.parquet")]
            assert all(len(parts) > 1 for parts in left), left
            print("interrupted")
    """
    done = run_python(code, home)
    assert done.stdout == "interrupted\n"
    assert done.stderr == ""


def test_an_engine_that_was_ended_from_outside_is_replaced(home):
    code = """
        from ml_assets.platform.embedded import session
        first = session.start_session()
        first.stop()
        second = session.start_session()
        assert second.range(3).count() == 3
        session._engine.server.stop()
        third = session.start_session()
        assert third is not second
        assert third.range(3).count() == 3
    """
    assert run_python(code, home).stderr == ""


def test_user_sees_the_engine_log_when_asked_for(home):
    code = "from ml_assets.platform.embedded.session import start_session; start_session()"
    done = run_python(code, home, RUST_LOG="info")
    assert "Spark Connect server" in done.stderr


def test_platform_starts_nothing_before_it_is_used(home):
    code = """
        import sys
        from ml_assets.platform.embedded import EmbeddedPlatform
        platform = EmbeddedPlatform()
        assert not platform.tables.info("a.b.c").exists
        assert not {"pysail", "pyspark", "mlflow", "pandas"} & set(sys.modules)
        print(platform.home)
    """
    assert run_python(code, home).stdout.strip() == str(home.resolve())
    assert not home.exists()


def test_platform_uses_the_session_it_is_given(home, spark):
    assert EmbeddedPlatform(home, spark).spark is spark
    assert EmbeddedPlatform(home).spark is spark
