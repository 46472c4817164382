"""What goes wrong between Dagster and a Databricks workspace, said so that somebody can repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.spec.errors import MlAssetsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class WorkspaceError(MlAssetsError):
    """The workspace cannot be used as it is configured; nothing was started."""


class UnreachableError(WorkspaceError):
    """The workspace gave no usable answer for longer than ``retry_deadline_seconds``."""


class WheelError(MlAssetsError):
    """There is no wheel of the project to send to the cluster."""


class JobRunError(MlAssetsError):
    """A job run did not do, or did not report, all of its work."""


def as_failure(error: MlAssetsError, shown: Mapping[str, str]) -> dg.Failure:
    """Show an error on Dagster's run page, with links and texts of ``shown`` beside it."""
    return dg.Failure(
        description=str(error), metadata={name: as_metadata(text) for name, text in shown.items()}
    )


def as_metadata(text: str) -> dg.MetadataValue:
    """Show an address as a link, many lines as a block of code, everything else as it is."""
    if text.startswith(("http://", "https://")):
        return dg.MetadataValue.url(text)
    if "\n" in text:
        return dg.MetadataValue.md(f"```\n{text}\n```")
    return dg.MetadataValue.text(text)


def rejected(where: str, error: Exception) -> WorkspaceError:
    """Explain an answer of the workspace that will not change by asking again."""
    from databricks.sdk import errors

    fixes: tuple[tuple[type[Exception], str, str], ...] = (
        (
            errors.Unauthenticated,
            "credentials that the workspace accepts",
            "renew the token, the OAuth secret or the login that the Databricks SDK uses here",
        ),
        (
            errors.PermissionDenied,
            "the permission to do this",
            (
                "grant it to the identity that Dagster uses: READ VOLUME and WRITE VOLUME on the "
                "volume, CAN RESTART or a policy for clusters; `ml-assets doctor` checks each"
            ),
        ),
        (
            errors.NotFound,
            "that it exists",
            "create it, or correct the name in the databricks section of ml_assets.yaml",
        ),
        (
            errors.BadRequest,
            "a request that the workspace accepts",
            "correct what the message names in the databricks section of ml_assets.yaml",
        ),
    )
    for kind, expected, fix in fixes:
        if isinstance(error, kind):
            return WorkspaceError(where, found=said(error), expected=expected, fix=fix)
    fix = "run `ml-assets doctor`; if nothing is wrong there, try again"
    return WorkspaceError(where, found=said(error), expected="an answer without an error", fix=fix)


def said(error: BaseException) -> str:
    """The beginning of an error's text, without the settings that the SDK appends, and its kind.

    >>> said(ValueError("no"))
    'no (ValueError)'
    """
    cause = error.__cause__ if isinstance(error, TimeoutError) and error.__cause__ else error
    text = " ".join(str(cause).split()).partition(" Config: ")[0][:600] or "no text"
    return f"{text} ({type(cause).__name__})"
