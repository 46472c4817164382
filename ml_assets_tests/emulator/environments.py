"""The Python environment of a task: what was submitted, under the project's constraints, no more.

An environment has two layers. The lower one holds what comes from an index; it is keyed by that list
of requirements, kept between test sessions, and shared. The upper one holds the submitted wheels;
it is a virtual environment of its own that looks into the lower one, built in a tenth of a second.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import venv
import zipfile
from dataclasses import dataclass, field
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INSTALL_SECONDS = 540


class InstallError(Exception):
    """A library could not be installed; the message is the installer's."""


@dataclass
class TaskEnvironments:
    """Builds environments, each list of dependencies once.

    ``kept`` is the folder of the lower layers, ``built`` the one of the upper layers.

    ``replaced`` says openly what is installed INSTEAD of a submitted dependency, by its canonical
    name. ``runtimes`` says what a cluster's ``spark_version`` brings. Both may name a submitted
    wheel with extras: ``ml_assets[embedded]``. Every other dependency is installed as submitted, or
    the run fails.
    """

    kept: Path
    built: Path
    constraints: Path
    replaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runtimes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def python(self, dependencies: Sequence[str]) -> Path:
        """Give the interpreter of the environment with these requirements and wheel files.

        Raises
        ------
        InstallError
            When a wheel is not there, or no index has a requirement.
        """
        wheels, requirements = _sorted_out(dependencies, self.replaced)
        needed = _with_needs_of(wheels, requirements)
        with self._lock:
            lower = self._lower(needed)
            return self._upper(lower, wheels)

    def _lower(self, requirements: Sequence[str]) -> Path:
        constraints = self.constraints.read_text()
        about = "\n".join([sys.version, *sorted(requirements), constraints])
        target = self.kept / hashlib.sha256(about.encode()).hexdigest()[:16]
        if not target.exists():
            limits = ["--constraint", str(self.constraints)]
            _build(target, [*limits, *requirements] if requirements else [])
        return target

    def _upper(self, lower: Path, wheels: Sequence[Path]) -> Path:
        content = hashlib.sha256(str(lower).encode())
        for wheel in wheels:
            content.update(wheel.read_bytes())
        target = self.built / content.hexdigest()[:16]
        if not target.exists():
            _build(target, ["--no-deps", *map(str, wheels)] if wheels else [], below=lower)
        return target / "bin" / "python"


def _sorted_out(
    dependencies: Iterable[str], replaced: Mapping[str, tuple[str, ...]]
) -> tuple[list[Path], list[Requirement]]:
    """Split into wheel files and requirements; what is ``replaced`` is."""
    wheels, requirements = [], []
    for line in dependencies:
        if line.endswith(".whl"):
            if not Path(line).is_file():
                text = "Could not install packages due to an OSError: [Errno 2] No such file or directory"
                raise InstallError(f"ERROR: {text}: '{line}'")
            wheels.append(Path(line))
            continue
        try:
            asked = Requirement(line)
        except InvalidRequirement as error:
            raise InstallError(f"ERROR: Invalid requirement: {line!r}: {error}") from None
        instead = replaced.get(canonicalize_name(asked.name), (line,))
        requirements += [Requirement(text) for text in instead]
    return wheels, requirements


def _with_needs_of(wheels: Sequence[Path], requirements: Sequence[Requirement]) -> list[str]:
    """Everything that an index has to give: what was asked for, and what the wheels need."""
    extras: dict[str, set[str]] = {}
    outside = []
    names = {canonicalize_name(wheel.name.split("-")[0]) for wheel in wheels}
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name in names:
            extras.setdefault(name, set()).update(requirement.extras)
        else:
            outside.append(str(requirement))
    for wheel in wheels:
        chosen = extras.get(canonicalize_name(wheel.name.split("-")[0]), set())
        outside += _needs(wheel, chosen)
    return sorted(set(outside))


def _needs(wheel: Path, extras: set[str]) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        facts = Parser().parsestr(archive.read(name).decode())
    if unknown := extras - set(facts.get_all("Provides-Extra", [])):
        raise InstallError(f"{wheel.name} has no extra {sorted(unknown)}")
    found = []
    for line in facts.get_all("Requires-Dist", []):
        need = Requirement(line)
        wanted = any(
            (need.marker.evaluate({"extra": e}) if need.marker else True) for e in {"", *extras}
        )
        if wanted:
            need.marker = None
            found.append(str(need))
    return found


def _build(target: Path, arguments: Sequence[str], below: Path | None = None) -> None:
    """Make an environment beside its place, and put it there when it is complete."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        venv.create(part, symlinks=True, with_pip=False)
        if below:
            (_packages(part) / "lower_layer.pth").write_text(f"{_packages(below)}\n")
        if arguments:
            _install(part, arguments)
        # Another process may have been quicker; then its environment is as good as ours.
        if not target.exists():
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _packages(folder: Path) -> Path:
    return folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def _install(folder: Path, arguments: Sequence[str]) -> None:
    """Install with uv from what it has at hand, else over the network, or with pip."""
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", python]
        ways = [[*command, "--offline"], command]
    elif find_spec("pip"):
        ways = [[sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]]
    else:
        raise InstallError("neither uv nor pip is there to build the environment of a task")
    said = ""
    for way in ways:
        done = subprocess.run(
            [*way, *arguments], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode == 0:
            return
        said = done.stderr or done.stdout
    raise InstallError(said.strip()[-1500:])
