"""Facts of features one by one: what each gives away of the label."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureAlone:
    """What one feature gives away by itself.

    ``power`` is how well it tells the label (None: not measured), ``by`` how that was found.
    ``copies`` says how it repeats the label, ``identity`` whether it is a ``row id``, a ``key``
    under another name or the ``event time``; both are empty when it does not.
    """

    name: str
    type: str
    power: float | None = None
    by: str = ""
    copies: str = ""
    identity: str = ""


@dataclass(frozen=True)
class LeakageFacts:
    """The features of ``rows`` training rows, of ``of_rows`` that there are, one by one.

    ``metric`` is what ``power`` means. ``unmeasured`` says why nothing is known of the label.
    """

    rows: int
    of_rows: int
    metric: str
    features: tuple[FeatureAlone, ...] = ()
    unmeasured: str = ""
