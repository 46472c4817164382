"""The command line, ``ml-assets``: the demo, the UI, the doctor, new models, and who serves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ml_assets.orchestration.serving.commands import add_commands
from ml_assets.spec.errors import MlAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dagster as dg

MODEL = "flight_ops/arrival_delay"
STOPPED = (
    "Stopped. What was published before stays; a step that was just publishing may have published. "
    "Run it again to continue."
)
PORT, MLFLOW_PORT = 3000, 5000


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that are the user's to fix are printed without a traceback."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments) or 0)
    except Exception as error:
        # Dagster wraps what goes wrong while loading: show our own error, or let it fly.
        known = _known(error)
        if known is None:
            raise
        print(f"\n{known}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr)
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ml-assets", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="materialize and judge everything of a model")
    demo.add_argument("--model", default=MODEL, metavar="PROJECT/MODEL", help=f"default {MODEL}")
    demo.set_defaults(run=_demo)
    ui = commands.add_parser("ui", help="open the Dagster UI on the same storage")
    ui.add_argument("--port", type=int, default=PORT, help=f"default {PORT}")
    ui.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    ui.set_defaults(run=_ui)
    doctor = commands.add_parser(
        "doctor", help="check everything that a run needs, and say what to fix"
    )
    doctor.add_argument(
        "--run",
        dest="spend",
        action="store_true",
        help="also try what costs money on Databricks: a statement, and a tiny job run",
    )
    doctor.set_defaults(run=_doctor)
    _add_new(commands)
    add_commands(commands, _printing)
    return parser


def _printing(say: Callable[[argparse.Namespace], str]) -> Callable[[argparse.Namespace], None]:
    return lambda arguments: print(say(arguments))


def _doctor(arguments: argparse.Namespace) -> int:
    from ml_assets.orchestration.doctor.examine import doctor

    return doctor(_definitions, run=arguments.spend)


def _add_new(commands: Any) -> None:
    new = commands.add_parser("new", help="write a first declaration of a model, from a table")
    new.add_argument("model", metavar="PROJECT/MODEL")
    new.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="TABLE",
        help="catalog.schema.name, or a .csv or .parquet file to fill a table from",
    )
    new.add_argument("--label", metavar="COLUMN", help="what to predict, instead of a guess")
    new.add_argument("--keys", default="", metavar="A,B", help="what tells rows apart")
    new.add_argument("--event-time", metavar="COLUMN", help="as of when a row is")
    new.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> None:
    from ml_assets.drafting.command import new_model
    from ml_assets.drafting.draft import Wanted

    keys = tuple(key.strip() for key in arguments.keys.split(",") if key.strip())
    wanted = Wanted(arguments.label, keys, arguments.event_time)
    print(new_model(arguments.model, arguments.source, wanted, Path(__file__).parent / "defs"))


def _demo(arguments: argparse.Namespace) -> int:
    from ml_assets.orchestration.demo.run import run_demo

    return run_demo(_definitions(), arguments.model, _home())


def _definitions() -> dg.Definitions:
    from ml_assets.definitions import defs

    return defs


def _ui(arguments: argparse.Namespace) -> NoReturn:
    from ml_assets.orchestration.instance import (
        DEFINITIONS,
        open_instance,
        prepare_dagster_home,
        workspace_file,
    )

    home, workspace = _home(), workspace_file()
    prepare_dagster_home(home)
    with open_instance():
        pass  # it ends the runs of killed demos: they would block their model's queue
    database = f"sqlite:///{home / 'mlflow.db'}"
    print(f"Dagster UI: http://{arguments.host}:{arguments.port} (Ctrl-C ends it)")
    print(
        f"MLflow UI, in another terminal: {Path(sys.executable).with_name('mlflow')} ui "
        f"--backend-store-uri {database} --port {MLFLOW_PORT}",
        flush=True,
    )
    location = ["-w", str(workspace)] if workspace else ["-m", DEFINITIONS]
    command = [sys.executable, "-m", "dagster", "dev", *location]
    command += ["--host", arguments.host, "--port", str(arguments.port)]
    # A program that was started in the background ignores Ctrl-C, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.execv(sys.executable, command)  # noqa: S606 - the same interpreter, no shell


def _home() -> Path:
    """Fix the home for this process and for what it starts."""
    from ml_assets.platform.embedded.warehouse import HOME_VARIABLE, home_folder

    home = home_folder()
    os.environ[HOME_VARIABLE] = str(home)
    return home


def _known(error: BaseException | None) -> MlAssetsError | None:
    """Find our own error among the causes; one that was only being handled is not the cause."""
    while error is not None:
        if isinstance(error, MlAssetsError):
            return error
        error = error.__cause__
    return None


if __name__ == "__main__":
    sys.exit(main())
