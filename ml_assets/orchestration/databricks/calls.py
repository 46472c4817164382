"""REST calls that survive passing trouble, for as long as it makes sense."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ml_assets.orchestration.databricks.errors import UnreachableError, rejected, said

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Calls:
    """Repeats a call while the trouble may pass by itself: lost connections, 408, 429 and 5xx.

    The SDK itself repeats only some of these (429, 503, lost connections). ``deadline`` and ``pause``
    are seconds: how long a call may fail in a row, and what is waited between two attempts; longer
    when the workspace says so (``Retry-After``), but not beyond the deadline. With
    ``forgiving``, 401 and 403 are passing, too: while a job runs, a token is renewed, a permission
    service restarts, the server of tokens
    is down; before anything was started they are an error at once.
    """

    deadline: float
    pause: float = 2.0
    forgiving: bool = False

    def __call__(self, where: str, call: Callable[[], Answer]) -> Answer:
        """Give the answer of ``call``; ``where`` says what it was for.

        Raises
        ------
        UnreachableError
            When the trouble did not pass before the deadline.
        WorkspaceError
            When asking again would not help.
        databricks.sdk.errors.NotFound
            As it is: what is missing means something else to each caller.
        databricks.sdk.errors.ResourceConflict
            As it is, too.
        """
        from databricks.sdk.errors import NotFound, ResourceConflict

        give_up = time.monotonic() + self.deadline
        while True:
            try:
                return call()
            except (NotFound, ResourceConflict):
                raise
            except (OSError, ValueError) as error:
                if not is_passing(error, forgiving=self.forgiving):
                    raise rejected(where, error) from error
                left = give_up - time.monotonic()
                if left < self.pause:
                    raise self._unreachable(where, error) from error
                wait = min(max(self.pause, retry_after(error)), left)
            time.sleep(wait)

    def _unreachable(self, where: str, error: Exception) -> UnreachableError:
        return UnreachableError(
            where,
            found=f"for {self.deadline:g} seconds no answer but: {said(error)}",
            expected="an answer of the workspace",
            fix="check the status of the workspace, the network, and whether the credentials have "
            "expired; retry_deadline_seconds says how long such trouble is waited out",
        )


def retry_after(error: BaseException) -> float:
    """Seconds that the workspace asked to be left alone for (``Retry-After``); 0 when it did not.

    >>> error = TimeoutError("Timed out after 0:00:01")
    >>> retry_after(error)
    0.0
    """
    cause = error.__cause__ if isinstance(error, TimeoutError) and error.__cause__ else error
    return float(getattr(cause, "retry_after_secs", None) or 0)


def is_passing(error: BaseException, *, forgiving: bool) -> bool:
    """Tell trouble that may pass from an answer that stays the same.

    >>> is_passing(TimeoutError("Timed out after 0:00:01"), forgiving=False)
    True
    >>> is_passing(ValueError("default auth: cannot configure"), forgiving=False)
    False

    The SDK says that no new token could be had in a plain ``ValueError``, also when the server that
    gives them answers 503: once a job works, that passes.

    >>> is_passing(ValueError("temporarily_unavailable"), forgiving=True)
    True
    """
    from databricks.sdk import errors

    if isinstance(error, (errors.Unauthenticated, errors.PermissionDenied)):
        return forgiving
    if not isinstance(error, OSError):
        return forgiving and isinstance(error, ValueError)
    lasting = (
        errors.BadRequest,
        errors.NotFound,
        errors.ResourceConflict,
        errors.NotImplemented,
        ValueError,  # of requests: an address that is none
    )
    # The SDK's own errors and those of requests are all OSErrors.
    return not isinstance(error, lasting)
