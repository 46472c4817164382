"""Build the project's virtual environment with nothing but the standard library.

`make setup` runs this file with whatever Python the machine has, so it must at least parse on old
ones: no newer syntax, and annotations that an old Python cannot evaluate stay in quotes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_PYTHON = (3, 11)
# When one of these changes, the environment is out of date.
INPUTS = ("pyproject.toml", "setup.cfg", "constraints.txt", "tools/setup_env.py")


class SetupError(Exception):
    """The environment could not be built; the text says what to do."""


class Environment:
    """The virtual environment of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "ml_assets-setup.json"

    def version(self) -> str:
        """Return the Python version it was made with, or "" when there is no environment."""
        try:
            lines = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        entries = dict(line.replace(" ", "").partition("=")[::2] for line in lines)
        # `python -m venv` writes "version", uv writes "version_info".
        return entries.get("version") or entries.get("version_info", "")

    def minor_version(self) -> "tuple[int, ...]":
        """Return (3, 11) for 3.11.7, and () when there is no environment."""
        return tuple(int(part) for part in self.version().split(".")[:2] if part.isdigit())

    def fingerprint(self) -> "dict[str, str]":
        """Return what an up-to-date environment was built from, and where (scripts name it)."""
        digest = hashlib.sha256()
        for name in INPUTS:
            path = self.root / name
            digest.update(path.read_bytes() if path.exists() else b"")
            digest.update(b"\0")
        return {
            "inputs": digest.hexdigest(),
            "python": self.version(),
            "folder": str(self.folder),
        }

    def stamped(self) -> "dict[str, str]":
        """Return what the last complete set-up was built from; {} when it did not complete."""
        try:
            stamped: dict[str, str] = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamped

    def is_current(self) -> bool:
        """Say whether nothing has to be done."""
        return self.python.exists() and self.stamped() == self.fingerprint()

    def is_usable(self) -> bool:
        """Say whether packages can be installed into what is there."""
        if self.minor_version() < OLDEST_PYTHON or not self.python.exists():
            return False
        # Moved or copied folders keep scripts that start the Python of the old place.
        if self.stamped().get("folder", str(self.folder)) != str(self.folder):
            return False
        probe = "import encodings" if find_uv(self) else "import pip"
        return run([str(self.python), "-I", "-c", probe], quiet=True)

    def unstamp(self) -> None:
        """Forget the last set-up, so that an interrupted one is seen as such."""
        with contextlib.suppress(FileNotFoundError):
            self.stamp.unlink()

    def write_stamp(self) -> None:
        """Remember that the set-up is complete."""
        draft = self.stamp.with_suffix(".tmp")
        draft.write_text(json.dumps(self.fingerprint(), indent=2) + "\n", encoding="utf-8")
        draft.replace(self.stamp)


def say(text: str) -> None:
    """Print at once, also into a log file."""
    print(text, flush=True)


def run(command: "list[str]", *, quiet: bool = False) -> bool:
    """Run a program to its end; say whether it succeeded."""
    output = subprocess.DEVNULL if quiet else None
    # Machines that never write bytecode (containers, often) would compile the 13,000 files of the
    # environment in every process: seconds at each start.
    variables = {key: os.environ[key] for key in os.environ if key != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(command, check=False, stdout=output, stderr=output, env=variables)
    except OSError:
        return False
    return done.returncode == 0


def find_uv(env: Environment) -> "str | None":
    """Return the uv to use: the machine's, or one that an earlier set-up installed."""
    return shutil.which("uv") or shutil.which("uv", path=str(env.folder / "bin"))


def check_python() -> None:
    """Refuse a Python that the project does not run on."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        found = "{}.{}".format(*sys.version_info[:2])
        raise SetupError(
            f"Python 3.11 or newer is needed, {sys.executable} is {found}.\n"
            "If a newer one is installed, name it: make setup PYTHON=python3.12"
        )


def create(env: Environment) -> None:
    """Make an empty environment, in the place of a broken one."""
    if env.folder.exists():
        if not (env.folder / "pyvenv.cfg").exists() and any(env.folder.iterdir()):
            raise SetupError(f"{env.folder} is not a virtual environment. Move it out of the way.")
        say(f"      The one that is there (Python {env.version() or 'unknown'}) is replaced.")
        shutil.rmtree(env.folder)
    uv = shutil.which("uv")
    if uv:
        # --seed puts pip into it, as `python -m venv` does.
        command = [uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(env.folder)]
    else:
        check_ensurepip()
        command = [sys.executable, "-m", "venv", str(env.folder)]
    if not run(command):
        raise SetupError(f"The virtual environment could not be made: {' '.join(command)}")


def check_ensurepip() -> None:
    """Explain what Debian and Ubuntu leave out of their Python."""
    if not run([sys.executable, "-c", "import ensurepip, venv"], quiet=True):
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        raise SetupError(
            f"{sys.executable} cannot make virtual environments: its venv package is missing.\n"
            f"On Debian and Ubuntu: sudo apt install {package} (or python3-venv).\n"
            "Or install uv, then nothing else is needed."
        )


def installer(env: Environment) -> "tuple[str, list[str]]":
    """Choose the fastest installer to be had; return its name and the start of its command."""
    pip = [str(env.python), "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    uv = find_uv(env)
    if not uv:
        say("      Trying to install uv, which is faster than pip ...")
        run([*pip, "--constraint", str(env.root / "constraints.txt"), "uv"], quiet=True)
        uv = find_uv(env)
    if uv and run([uv, "--version"], quiet=True):
        # pip compiles bytecode unasked, uv has to be told.
        uv_pip = [uv, "pip", "install", "--python", str(env.python), "--compile-bytecode"]
        return f"uv ({uv})", uv_pip
    return "pip (uv could not be installed)", pip


def set_up(env: Environment, *, match_python: bool) -> None:
    """Bring the environment up to date, or leave it without a stamp."""
    started = time.monotonic()
    # Another version than the one that was asked for is replaced; the default takes what is there.
    matches = not match_python or env.minor_version() == sys.version_info[:2]
    if matches and env.is_usable():
        env.unstamp()
        say(f"[1/3] {env.folder.name} is there (Python {env.version()}).")
    else:
        check_python()
        say(f"[1/3] Creating {env.folder.name} with Python {sys.version.split()[0]}.")
        create(env)
    name, command = installer(env)
    say(f"[2/3] Using {name}.")
    say("[3/3] Installing ml_assets and all it needs (the first time this takes minutes) ...")
    constraints = ["--constraint", str(env.root / "constraints.txt")]
    if not run([*command, *constraints, "--editable", f"{env.root}[all]"]):
        raise SetupError("The installation failed, see above. `make setup` tries again.")
    env.write_stamp()
    say(f"Ready after {time.monotonic() - started:.0f} s: {env.folder.name}, {env.version()}.")


@contextlib.contextmanager
def alone(root: Path) -> "Iterator[None]":
    """Let one set-up of this checkout run at a time; others wait."""
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another `make setup` ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            say("This file system has no locks: run one `make setup` at a time.")
        yield
    finally:
        os.close(handle)


def main(arguments: "list[str]") -> int:
    """Set up the checkout that this file belongs to."""
    env = Environment(Path(__file__).resolve().parent.parent)
    match_python = "--match-python" in arguments

    def is_done() -> bool:
        matches = not match_python or env.minor_version() == sys.version_info[:2]
        return matches and env.is_current()

    try:
        if not is_done():
            with alone(env.root):
                # Whoever held the lock may have done the work.
                if not is_done():
                    set_up(env, match_python=match_python)
    except SetupError as error:
        say(f"\nmake setup: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nmake setup: interrupted; the next one continues.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
