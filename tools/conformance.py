"""Run the tests that need Databricks' own feature engineering client, which cannot live in `.venv`.

`make conformance` builds one environment for each lock file and runs the tests in all of them at
the same time. Each environment is built once; a second call only runs the tests.

`python tools/conformance.py --lock` writes the lock files anew (needs uv; `--lock --upgrade` moves
them), `--build` only builds. Other arguments go to pytest.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from setup_env import Environment, SetupError, alone, create, installer, run, say

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "ml_assets_tests" / "conformance" / "locks"
TESTS = ("ml_assets_tests/conformance", "ml_assets_tests/platform/contract")
# Run by the project's own environment, with the tasks of its job runs in the client's newest one.
JOB_RUNS = "ml_assets_tests/conformance_jobs"
JOB_RUNS_PYTHON = "ML_ASSETS_CONFORMANCE_PYTHON"
NO_TESTS_COLLECTED = 5


class ConformanceEnvironment(Environment):
    """The virtual environment of one lock file."""

    def __init__(self, lock: Path) -> None:
        super().__init__(ROOT)
        self.lock = lock
        self.name = lock.stem
        self.folder = ROOT / ".conformance" / self.name
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "ml_assets-setup.json"

    def fingerprint(self) -> dict[str, str]:
        """Return what an up-to-date environment was built from, and where."""
        return {
            "inputs": hashlib.sha256(self.lock.read_bytes()).hexdigest(),
            "python": self.version(),
            "folder": str(self.folder),
        }


def environments() -> list[ConformanceEnvironment]:
    """One for each lock file, by name."""
    return [ConformanceEnvironment(lock) for lock in sorted(LOCKS.glob("*.txt"))]


def build(env: ConformanceEnvironment) -> None:
    """Make the environment what its lock says; do nothing when it is."""
    if env.is_current() and env.minor_version() == sys.version_info[:2]:
        return
    started = time.monotonic()
    say(f"Building .conformance/{env.name} (the first time this takes minutes) ...")
    env.unstamp()
    if env.folder.exists():
        # What an older lock put there would stay: start from nothing.
        shutil.rmtree(env.folder)
    env.folder.parent.mkdir(exist_ok=True)
    create(env)
    _, command = installer(env)
    # The lock is complete; ml_assets itself adds nothing to it.
    steps = (["--requirement", str(env.lock)], ["--no-deps", "--editable", str(ROOT)])
    for step in steps:
        if not run([*command, *step]):
            raise SetupError(f"The installation of {env.name} failed, see above.")
    env.write_stamp()
    say(
        f"Ready after {time.monotonic() - started:.0f} s: .conformance/{env.name}, {env.version()}."
    )


def named(arguments: list[str]) -> list[str]:
    """Pick the arguments that name tests: files and folders, with or without a test's name."""
    return [a for a in arguments if not a.startswith("-") and Path(a.split("::")[0]).exists()]


def start(
    env: ConformanceEnvironment, arguments: list[str], output: Path
) -> "subprocess.Popen[bytes]":
    """Start the tests in an environment; what they print goes to a file."""
    # Two test runs at once must not share what pytest remembers.
    memory = ["-o", f"cache_dir={env.folder / 'pytest_cache'}"]
    command = [
        str(env.python),
        "-m",
        "pytest",
        *memory,
        *arguments,
        *([] if named(arguments) else TESTS),
    ]
    with output.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)


def test(envs: list[ConformanceEnvironment], arguments: list[str]) -> int:
    """Run the tests in all environments at once; show each one's output when it is done."""
    failed = False
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        outputs = {env.name: Path(folder) / env.name for env in envs}
        running = {env.name: start(env, arguments, outputs[env.name]) for env in envs}
        for process in running.values():
            stack.callback(process.kill)
        for name, process in running.items():
            code = process.wait()
            say(f"\n== pytest: conformance, {name}")
            sys.stdout.flush()
            sys.stdout.buffer.write(outputs[name].read_bytes())
            # With arguments for pytest it may be that none of these tests was meant.
            failed |= code not in ({0, NO_TESTS_COLLECTED} if arguments else {0})
    return int(failed)


def test_job_runs(env: ConformanceEnvironment, arguments: list[str]) -> int:
    """Run the whole way: Dagster here, an emulated workspace, the client inside the job."""
    say(f"\n== pytest: job runs over {env.name}")
    command = [sys.executable, "-m", "pytest", *arguments, JOB_RUNS]
    variables = {**os.environ, JOB_RUNS_PYTHON: str(env.python)}
    code = subprocess.run(command, cwd=ROOT, check=False, env=variables).returncode
    return int(code not in ({0, NO_TESTS_COLLECTED} if arguments else {0}))


def write_locks(upgrade: list[str]) -> None:
    """Write the lock files anew from what stands beside them; versions that still fit are kept."""
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    for source in sorted(LOCKS.glob("*.in")):
        options = ["--universal", "--python-version", "3.11", "--annotation-style", "line"]
        options += ["--custom-compile-command", "python tools/conformance.py --lock", "--quiet"]
        options += ["--no-emit-index-url", "--no-emit-find-links", *upgrade]
        target = source.with_suffix(".txt")
        if not run([uv, "pip", "compile", str(source), *options, "--output-file", str(target)]):
            raise SetupError(f"{source.name} could not be locked, see above.")


def main(arguments: list[str]) -> int:
    """Build what is missing, then run the tests; nothing when other tests are named."""
    if (asked := named(arguments)) and not any(a.startswith(TESTS) for a in asked):
        return 0
    try:
        if arguments[:1] == ["--lock"]:
            write_locks(arguments[1:])
            return 0
        envs = environments()
        # `make setup` may have installed uv beside the Python that runs this.
        os.environ["PATH"] = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]])
        with alone(ROOT):
            for env in envs:
                build(env)
    except SetupError as error:
        say(f"\nmake conformance: {error}")
        return 1
    if arguments == ["--build"]:
        return 0
    failed = test(envs, arguments)
    return failed if asked else failed | test_job_runs(envs[-1], arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
