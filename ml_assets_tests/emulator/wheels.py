"""Small wheels for tests, written by hand: a wheel is a zip file with a few texts in it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def make_wheel(
    folder: Path,
    code: str,
    *,
    name: str = "small_job",
    version: str = "1.0",
    needs: Sequence[str] = (),
    beside: Mapping[str, str] | None = None,
) -> Path:
    """Write a wheel with one module of that name, whose function ``main`` is its entry point.

    ``beside`` are more files of the wheel, by their path in it.
    """
    about = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    files = {
        f"{name}.py": code,
        **(beside or {}),
        f"{about}/METADATA": "\n".join(lines) + "\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    records = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{about}/RECORD": records}.items():
            archive.writestr(path, text)
    return wheel
