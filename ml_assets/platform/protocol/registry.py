"""Registered model versions and their aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Registry(Protocol):
    """Registered model versions and their aliases; only calls that Unity Catalog supports."""

    def register(
        self,
        name: str,
        *,
        model_uri: str,
        run_id: str,
        tags: Mapping[str, str],
        description: str = "",
    ) -> int:
        """Register a packaged model; the version that the same run already has is returned again."""
        ...

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        ...

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        """Read the tags of a version. Raises ``DataError`` when it does not exist."""
        ...

    def version_of(self, name: str, alias: str) -> int | None:
        """Find the version that an alias points to, or None."""
        ...

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        ...

    def move_alias(self, name: str, alias: str, version: int, *, expected: int | None) -> None:
        """Point an alias at a version, unless it points elsewhere than ``expected`` (None: nowhere).

        Nothing happens when it points there already. Raises ``PromotionError`` with the rule
        ``promotion_compare_and_set`` when somebody else moved it.
        """
        ...

    def remove_alias(self, name: str, alias: str) -> None:
        """Let an alias point nowhere; also when it did not point anywhere."""
        ...

    def version_of_run(self, name: str, run_id: str) -> int | None:
        """Find the version that a run was registered as, or None."""
        ...

    def versions(self, name: str) -> tuple[int, ...]:
        """List all versions, ascending; empty when the model is not registered."""
        ...

    def grant(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Give principals privileges on a registered model; nothing where there is no access control."""
        ...

    def uri(self, name: str, alias_or_version: str | int) -> str:
        """``models:/name@alias`` or ``models:/name/version``."""
        ...
