"""Turn the import paths of a declaration into the objects they name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from ml_assets.spec.errors import SpecError, did_you_mean


def load_object(path: str, *, field: str, package: str | None = None) -> Any:
    """Import what ``path`` names.

    Parameters
    ----------
    path
        ``package.module.name``, or ``.module.name`` relative to ``package``.
    field
        The spec field that holds the path, for the error.
    package
        The package that a leading dot stands for.

    Raises
    ------
    SpecError
        When the module or the name in it does not exist, or when importing the module fails.

    Examples
    --------
    >>> load_object("json.dumps", field="transform")([1])
    '[1]'
    >>> load_object(".decoder.JSONDecoder", field="transform", package="json").__name__
    'JSONDecoder'
    """
    module_path, _, name = path.rpartition(".")
    if path.startswith("."):
        if package is None:
            raise _not_found(path, field, "a leading dot, but the spec has no package", "")
        module_path = f"{package}{module_path}"
    try:
        module = importlib.import_module(module_path)
    except Exception as error:
        raise _import_failed(path, field, module_path, error) from error
    if not hasattr(module, name):
        hint = did_you_mean(name, [n for n in vars(module) if not n.startswith("_")])
        raise _not_found(path, field, f"module {module_path!r} has no {name!r}", hint)
    return getattr(module, name)


def package_of(folder: Path) -> str | None:
    """Name the Python package that a folder is, or None when it cannot be imported as one.

    The nearest folder above it that Python imports from decides; one whose next folder has an
    ``__init__.py`` goes first.
    """
    folder = folder.resolve()
    roots = {Path(entry).resolve() for entry in sys.path}
    candidates = [
        (root, folder.relative_to(root).parts) for root in folder.parents if root in roots
    ]
    named = [(r, parts) for r, parts in candidates if all(p.isidentifier() for p in parts)]
    regular = [parts for r, parts in named if (r / parts[0] / "__init__.py").exists()]
    found = regular or [parts for _, parts in named]
    return ".".join(found[0]) if found else None


def _import_failed(path: str, field: str, module_path: str, error: Exception) -> SpecError:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing and not f"{module_path}.".startswith(f"{missing}."):
        # The module is there, but something that it imports itself is not.
        return SpecError(
            f"{field}: {path}",
            found=f"importing {module_path!r} failed, because it imports {missing!r}: {error}",
            expected=f"that {missing!r} is installed",
            fix=f"install the package that holds {missing!r}, or remove the import",
        )
    found = f"importing {module_path!r} failed: {type(error).__name__}: {error}"
    if missing:
        return _not_found(path, field, found, "")
    return SpecError(
        f"{field}: {path}",
        found=found,
        expected="a module that can be imported",
        fix=f"correct the error in {module_path}",
    )


def _not_found(path: str, field: str, found: str, hint: str) -> SpecError:
    return SpecError(
        f"{field}: {path}",
        found=found,
        expected="an importable name",
        fix=f"correct the path{hint}, or install the package that holds it",
    )
