"""Errors that teach: what was found, what was expected, which rule, and the fix."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class MlAssetsError(Exception):
    """Base of every error that ml_assets raises on purpose.

    Parameters
    ----------
    where
        The field, column, table or file that is wrong.
    found, expected, fix
        What was there, what should have been there, what to do about it.
    rule
        The check that this protects (for example ``ml01_primary_key_unique``), when there is one.

    Examples
    --------
    >>> print(DataError("table a.b.c", found="0 rows", expected="rows", fix="fill it"))
    table a.b.c
      found:    0 rows
      expected: rows
      fix:      fill it
    """

    def __init__(
        self, where: str, *, found: str, expected: str, fix: str, rule: str | None = None
    ) -> None:
        self.where, self.found, self.expected, self.fix = where, found, expected, fix
        self.rule = rule
        super().__init__(str(self))

    def __str__(self) -> str:
        """Everything a user needs, one fact a line."""
        head = f"[{self.rule}] {self.where}" if self.rule else self.where
        facts = (("found:", self.found), ("expected:", self.expected), ("fix:", self.fix))
        return "\n".join([head, *(f"  {word:<9} {text}" for word, text in facts)])

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which Dagster and multiprocessing do to errors."""
        return _rebuild, (type(self), self.where, self.found, self.expected, self.fix, self.rule)


def _rebuild(kind: type[MlAssetsError], where: str, *rest: str | None) -> MlAssetsError:
    names = ("found", "expected", "fix", "rule")
    return kind(where, **dict(zip(names, rest, strict=True)))  # type: ignore[arg-type]


class SpecError(MlAssetsError):
    """A declaration (``defs.yaml`` or Python) is wrong."""


class DeclarationError(SpecError):
    """Everything that is wrong with one declaration, at once.

    Parameters
    ----------
    origin
        The file or the object that holds the declaration.
    problems
        At least one; each names its own place. With exactly one, ``where``, ``found``,
        ``expected``, ``fix`` and ``rule`` are that problem's.
    """

    def __init__(self, origin: str, problems: Sequence[SpecError]) -> None:
        self.origin, self.problems = origin, tuple(problems)
        first, *others = self.problems
        super().__init__(
            origin if others else first.where,
            found=f"{len(self.problems)} problems" if others else first.found,
            expected="a declaration without problems" if others else first.expected,
            fix="correct each of them; nothing was run" if others else first.fix,
            rule=None if others else first.rule,
        )

    def __str__(self) -> str:
        """All problems, each as it would look alone."""
        texts = [str(p) for p in self.problems]
        if len(texts) == 1:
            return texts[0]
        return "\n\n".join([f"{self.origin}: {len(texts)} problems", *texts])

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the list of problems when pickled."""
        return type(self), (self.origin, self.problems)


class DataError(MlAssetsError):
    """Data that a step received breaks its contract; nothing was written."""


class StorageError(MlAssetsError):
    """The warehouse cannot be read or written; the stored tables are as they were."""


class ConcurrentWriteError(StorageError):
    """Somebody else wrote the table between reading and publishing."""


class TrainingError(MlAssetsError):
    """An estimator could not be built, fitted or packaged."""


class LibraryError(MlAssetsError):
    """A library raised in a step what a rule is there to prevent; its error is ``__cause__``."""


class PromotionError(MlAssetsError):
    """A version may not become the champion, or the champion is another one by now."""


class OvertakenError(PromotionError):
    """The champion alias was moved, and somebody else has moved it on since."""


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """Find the allowed word that was probably meant; case does not matter.

    >>> closest("Treshold", ["threshold", "column"])
    'threshold'
    """
    by_lower = {a.lower(): a for a in allowed}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Name the closest allowed word, or nothing when none is close.

    >>> did_you_mean("treshold", ["threshold", "column"])
    " (did you mean 'threshold'?)"
    >>> did_you_mean("zzz", ["threshold"])
    ''
    """
    match = closest(word, allowed)
    return f" (did you mean {match!r}?)" if match else ""
