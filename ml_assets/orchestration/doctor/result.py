"""What one check of the doctor came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ml_assets.spec.errors import MlAssetsError

State = Literal["fine", "broken", "unknown"]
SIGNS: dict[State, str] = {"fine": "✓", "broken": "✗", "unknown": "\N{EN DASH}"}


@dataclass(frozen=True)
class Result:
    """One line: what was looked at, what was found, and what to do about it.

    ``unknown`` stands for what is not configured, or could not be looked at; it breaks nothing.
    """

    title: str
    state: State
    found: str
    fix: str = ""

    def lines(self, width: int) -> str:
        """Write it for a terminal; ``width`` is that of the titles.

        >>> print(Result("Python", "broken", "3.10", "install 3.11").lines(8))
        ✗ Python   3.10
                   fix: install 3.11
        """
        indent = " " * (width + 3)
        first, *rest = self.found.splitlines() or [""]
        lines = [f"{SIGNS[self.state]} {self.title:<{width}} {first}"]
        lines += [f"{indent}{line}" for line in rest]
        lines += [f"{indent}fix: {self.fix}"] if self.fix else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Check:
    """A title, and the function that looks; ``hint`` is the fix for what is not foreseen there."""

    title: str
    look: Callable[[], Result]
    hint: str = "ml-assets does not know this error; its text should say what is wrong"

    def run(self) -> Result:
        """Look; whatever goes wrong while looking is what was found."""
        try:
            return self.look()
        except MlAssetsError as error:
            return Result(self.title, "broken", f"{error.where}: {error.found}", error.fix)
        except Exception as error:  # noqa: BLE001 - it becomes a ✗ with its text, never a success
            return Result(self.title, "broken", _words(error), self.hint)


def fine(title: str, found: str) -> Result:
    """It is as it should be."""
    return Result(title, "fine", found)


def broken(title: str, found: str, fix: str) -> Result:
    """It is not as it should be."""
    return Result(title, "broken", found, fix)


def unknown(title: str, found: str, fix: str = "") -> Result:
    """It is not configured, or cannot be told."""
    return Result(title, "unknown", found, fix)


def said(error: BaseException) -> str:
    """What an error says, without the client's settings that Databricks' SDK adds to some.

    >>> said(ValueError("It has expired. Config: host=https://x, token=***"))
    'It has expired'
    """
    text = " ".join(str(error).split()).partition(" Config: ")[0]
    return text.rstrip(".")[:300]


def _words(error: Exception) -> str:
    text = said(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
