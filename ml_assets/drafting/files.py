"""Write a draft to the folder of its model, and never over what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.drafting.write_python import features_text, sources_text
from ml_assets.drafting.write_yaml import yaml_text
from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.drafting.draft import Draft

NAMES = ("defs.yaml", "features.py", "sources.py")


def model_folder(defs: Path, project: str, model: str) -> Path:
    """The folder of a model, which must not hold a declaration yet.

    Raises
    ------
    SpecError
        When one of its files exists, naming it.
    """
    folder = defs / project / model
    there = [name for name in NAMES if (folder / name).exists()]
    if there:
        raise SpecError(
            f"{project}/{model}",
            found=f"{', '.join(there)} in {folder}",
            expected="a model that is not declared yet: nothing is ever overwritten",
            fix="choose another name, or move the folder away first",
        )
    return folder


def write(draft: Draft, folder: Path) -> tuple[Path, ...]:
    """Write the files of a draft.

    Raises
    ------
    SpecError
        When the folder cannot be written; what was written of them is removed.
    """
    texts = {"defs.yaml": yaml_text(draft), "features.py": features_text(draft)}
    if draft.sample.file is not None:
        texts["sources.py"] = sources_text(draft, folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # "x" refuses a file that somebody made meanwhile.
            with (folder / name).open("x", encoding="utf-8") as file:
                written.append(folder / name)
                file.write(text)
    except OSError as error:
        for file_of_ours in written:
            file_of_ours.unlink(missing_ok=True)
        raise SpecError(
            str(folder),
            found=f"the folder cannot be written: {error}",
            expected="a project that you can write to",
            fix="run `ml-assets new` in a checkout of the project, and look at the permissions",
        ) from error
    return tuple(written)
