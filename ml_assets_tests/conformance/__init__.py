"""The platform over Databricks' own client, which only the environments of `make conformance` have."""

from __future__ import annotations

from importlib.util import find_spec


def has_client() -> bool:
    """Whether the feature engineering client is installed here (never beside Dagster)."""
    return find_spec("databricks") is not None and (
        find_spec("databricks.feature_engineering") is not None
    )


def client_warnings() -> tuple[str, ...]:
    """Warnings of the client about itself, as pytest's ``filterwarnings`` takes them."""
    if not has_client():
        return ()
    return (
        # 0.12 is older than these deprecations.
        "ignore:google.protobuf.service module is deprecated:UserWarning",
        "ignore:pkg_resources is deprecated as an API:UserWarning",
        "ignore:Deprecated call to `pkg_resources.declare_namespace:DeprecationWarning",
    )
