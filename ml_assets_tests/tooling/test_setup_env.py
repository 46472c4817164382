"""`make setup`: run for real, with a stand-in for uv so that no network is needed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = ".".join(str(part) for part in sys.version_info[:3])

# Makes an "environment" of one link and logs what it was asked for.
FAKE_UV = f"""#!/bin/sh
echo "uv $*" >> "$UV_LOG"
case "$1" in
venv)
  for folder; do :; done
  mkdir -p "$folder/bin" && ln -s "{sys.executable}" "$folder/bin/python"
  echo "version_info = {VERSION}" > "$folder/pyvenv.cfg" ;;
pip)
  eval "$UV_PIP" ;;
esac
"""


class Checkout:
    """A copy of the files that `make setup` needs, and of nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root.parent / "uv.log"
        tools = root.parent / "path"
        tools.mkdir(parents=True)
        (tools / "uv").write_text(FAKE_UV)
        (tools / "uv").chmod(0o755)
        (root / "tools").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "setup.cfg", "constraints.txt"):
            shutil.copy(ROOT / name, root / name)
        shutil.copy(ROOT / "tools" / "setup_env.py", root / "tools")
        kept = {"HOME", "LANG", "PATH", "TMPDIR"}
        self.env = {key: value for key, value in os.environ.items() if key in kept}
        self.env |= {"PATH": f"{tools}:{os.environ['PATH']}", "UV_LOG": str(self.log)}

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / "ml_assets-setup.json"

    def setup(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script as make does; forget what uv was asked for before."""
        self.log.unlink(missing_ok=True)
        command = [sys.executable, "tools/setup_env.py", *arguments]
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.env | env,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def asked(self) -> list[str]:
        """Return the kinds of work that uv was asked for in the last run."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split()[1] for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    done = checkout.setup()
    assert done.returncode == 0, done.stdout
    return checkout


def test_a_fresh_checkout_is_installed_under_the_constraints(checkout: Checkout) -> None:
    done = checkout.setup()
    assert done.returncode == 0
    assert checkout.asked() == ["venv", "--version", "pip"]
    install = checkout.log.read_text().splitlines()[-1]
    assert f"--constraint {checkout.root}/constraints.txt" in install
    assert install.endswith(f"--editable {checkout.root}[all]")
    assert [line[:5] for line in done.stdout.splitlines() if line[0] == "["] == [
        "[1/3]",
        "[2/3]",
        "[3/3]",
    ]
    assert checkout.stamp.exists()


def test_a_second_call_does_nothing_fast_and_silently(ready: Checkout) -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        done = ready.setup()
        seconds.append(time.perf_counter() - started)
        assert (done.returncode, done.stdout, ready.asked()) == (0, "", [])
    assert min(seconds) < 0.5


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "constraints.txt"])
def test_a_changed_input_installs_again_into_the_same_environment(
    ready: Checkout, name: str
) -> None:
    with (ready.root / name).open("a") as file:
        file.write("# changed\n")
    assert ready.setup().returncode == 0
    assert ready.asked() == ["--version", "pip"]
    assert ready.setup().stdout == ""


def test_a_failed_installation_is_tried_again(ready: Checkout) -> None:
    (ready.root / "constraints.txt").write_text("# changed\n")
    failed = ready.setup(UV_PIP="exit 3")
    assert failed.returncode == 1
    assert "The installation failed" in failed.stdout
    assert not ready.stamp.exists()
    assert ready.setup().returncode == 0
    assert ready.stamp.exists()


def test_a_killed_setup_leaves_no_stamp(ready: Checkout) -> None:
    (ready.root / "constraints.txt").write_text("# changed\n")
    assert ready.setup(UV_PIP="kill -9 $PPID").returncode == -signal.SIGKILL
    assert not ready.stamp.exists()


def test_ctrl_c_is_answered_with_one_line(ready: Checkout) -> None:
    (ready.root / "constraints.txt").write_text("# changed\n")
    stopped = ready.setup(UV_PIP="kill -INT $PPID; sleep 1")
    assert stopped.returncode == 130
    assert "interrupted" in stopped.stdout
    assert "Traceback" not in stopped.stdout
    assert not ready.stamp.exists()


def test_an_environment_without_its_python_is_rebuilt(ready: Checkout) -> None:
    (ready.root / ".venv" / "bin" / "python").unlink()
    (ready.root / ".venv" / "leftover").touch()
    assert ready.setup().returncode == 0
    assert ready.asked() == ["venv", "--version", "pip"]
    assert not (ready.root / ".venv" / "leftover").exists()


def test_a_moved_checkout_is_rebuilt(ready: Checkout) -> None:
    ready.root = ready.root.rename(ready.root.with_name("elsewhere"))
    assert ready.setup().returncode == 0
    assert ready.asked() == ["venv", "--version", "pip"]


def test_another_python_is_taken_only_when_it_was_asked_for(ready: Checkout) -> None:
    (ready.root / ".venv" / "pyvenv.cfg").write_text("version = 3.99.1\n")
    assert ready.setup().returncode == 0
    assert ready.asked() == ["--version", "pip"]
    assert ready.setup("--match-python").returncode == 0
    assert ready.asked() == ["venv", "--version", "pip"]


def test_a_folder_that_is_no_environment_is_not_touched(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "thesis.txt").write_text("years of work")
    refused = checkout.setup()
    assert refused.returncode == 1
    assert "is not a virtual environment" in refused.stdout
    assert (checkout.root / ".venv" / "thesis.txt").exists()


def test_debian_without_the_venv_package_is_explained(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "ensurepip.py").write_text("raise ModuleNotFoundError('ensurepip')")
    (tmp_path / "no_uv").mkdir()
    refused = checkout.setup(PATH=str(tmp_path / "no_uv"), PYTHONPATH=str(tmp_path / "debian"))
    assert refused.returncode == 1
    assert "python{}.{}-venv".format(*sys.version_info) in refused.stdout
    assert "uv" in refused.stdout


@pytest.fixture
def setup_env():
    """Import the script, which is not part of any package."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "tools" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_named_with_the_way_out(setup_env, monkeypatch) -> None:
    monkeypatch.setattr(setup_env, "OLDEST_PYTHON", (99, 0))
    with pytest.raises(setup_env.SetupError, match="make setup PYTHON=python3"):
        setup_env.check_python()


@pytest.mark.parametrize("uv_comes", [True, False])
def test_without_uv_it_is_fetched_and_pip_is_the_last_resort(
    setup_env, monkeypatch, tmp_path, uv_comes
) -> None:
    env = setup_env.Environment(tmp_path)
    fetched = []

    def run(command: list[str], *, quiet: bool = False) -> bool:
        fetched.append(command[-1])
        return uv_comes

    def find_uv(_env) -> str | None:
        return "bin/uv" if fetched and uv_comes else None

    monkeypatch.setattr(setup_env, "run", run)
    monkeypatch.setattr(setup_env, "find_uv", find_uv)
    name, command = setup_env.installer(env)
    assert fetched[0] == "uv"
    assert name.startswith("uv" if uv_comes else "pip")
    assert "--python" in command if uv_comes else command[2:5] == ["-m", "pip", "install"]
