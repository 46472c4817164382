"""The wheel of the project, built once for each content, and where it lies in the volume."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.orchestration.databricks.errors import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_assets.orchestration.databricks.volume import VolumeFiles

PROJECT = "ml_assets"
#: What a wheel is made from, besides the package itself.
_BESIDE = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
#: The first moment that a zip file can express: the same content gives the same bytes.
_EPOCH = "315532800"
_PATIENCE = 300


@dataclass(frozen=True)
class Wheel:
    """A wheel on this machine; ``digest`` (16 hex digits) names its content."""

    path: Path
    digest: str

    @property
    def version(self) -> str:
        """The version in the file's name."""
        return self.path.name.split("-")[1]

    def upload(self, files: VolumeFiles) -> str:
        """Put the wheel into the volume unless it is there, whole; give its path there (1 to 3 calls).

        Two processes may do that at once: the content is the same, and a file that was written
        meanwhile is kept.
        """
        target = f"{files.root}/wheels/{self.digest}/{self.path.name}"
        content, stored = self.path.read_bytes(), files.size(target)
        if stored not in {len(content), -1}:
            files.make_folder(target.rpartition("/")[0])
            files.write(target, content, replace=stored is not None)
        return target


def find_wheel(configured: str, cache: Path) -> Wheel:
    """Take the configured wheel, or build the one of the checkout that this code runs from.

    What was built is kept below ``cache`` and not built again before the content changes. Its version
    carries the digest: on a running cluster, pip would keep an older wheel of the same version.

    Raises
    ------
    WheelError
        When the configured file is not a wheel, when this is no checkout, or when building fails.
    """
    if configured:
        return _configured(Path(configured).expanduser())
    root = Path(__file__).resolve().parents[3]
    if not _is_checkout(root):
        raise WheelError(
            "databricks.wheel",
            found=f"empty, and ml_assets is installed in {root}, without its pyproject.toml",
            expected="a checkout to build the wheel from, or the path of a wheel",
            fix="set `wheel:` to a wheel of the project (`python -m build --wheel` makes one), or "
            "install the checkout with `pip install -e .`",
        )
    return build_wheel(root, cache)


def build_wheel(root: Path, cache: Path) -> Wheel:
    """Build the wheel of the checkout in ``root``, or find it in ``cache``."""
    digest = digest_of(root)
    kept = cache / digest
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            copy, out = Path(scratch) / "copy", Path(scratch) / "out"
            _copy(root, copy, digest)
            out.mkdir()
            _build(copy, out)
            try:
                out.rename(kept)
            except OSError:  # another process built the same at the same time
                if not kept.is_dir():
                    raise
    [path] = kept.glob("*.whl")
    return Wheel(path, digest)


def digest_of(root: Path) -> str:
    """Sixteen hex digits that change with any file that goes into the wheel."""
    digest = hashlib.sha256()
    for file in _sources(root):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _configured(path: Path) -> Wheel:
    if path.suffix != ".whl" or not path.is_file():
        raise WheelError(
            "databricks.wheel",
            found=f"{path}, which is {'not a wheel' if path.exists() else 'missing'}",
            expected="the path of a .whl file on the machine that Dagster runs on",
            fix="correct the path, or remove the field: the wheel is then built from the checkout",
        )
    return Wheel(path, hashlib.sha256(path.read_bytes()).hexdigest()[:16])


def _is_checkout(root: Path) -> bool:
    file = root / "pyproject.toml"
    if not file.is_file():
        return False
    name = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("name")
    return bool(name == PROJECT)


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _BESIDE if (root / name).is_file())
    for file in sorted((root / PROJECT).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith("."):
            yield file


def _copy(root: Path, copy: Path, digest: str) -> None:
    """Copy the sources, so that no build folder is left in the checkout, and mark the version."""
    for file in _sources(root):
        target = copy / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o644)
    project = copy / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    marked = re.sub(r'(?m)^(version = "[^"+]+)[^"]*"', rf'\1+{digest}"', text, count=1)
    project.write_text(marked, encoding="utf-8")


def _build(copy: Path, out: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter, a constant program
        [sys.executable, "-c", _BUILD, str(out)],
        cwd=copy,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode or not list(out.glob("*.whl")):
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise WheelError(
            f"building the wheel of {PROJECT}",
            found=" / ".join(lines[-3:]) or f"exit code {done.returncode}",
            expected="a wheel, built by setuptools 77 or newer",
            fix="pip install 'setuptools>=77', or build the wheel elsewhere and set `wheel:`",
        )
