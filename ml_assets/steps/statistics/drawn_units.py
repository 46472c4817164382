"""What a bootstrap draws: entities with all their rows, because the errors of one entity go together.

Rows of one entity (a workspace on a hundred days) are no independent witnesses: drawn one by one they
give an interval that is far too narrow. Drawn whole, they are right whatever goes on within an entity:
Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8; Field and Welsh,
Bootstrapping clustered data, J. R. Statist. Soc. B 69 (2007). Entities may have any number of rows: a
metric is a function of sums over rows, and the number of rows is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

#: Fewer are few: Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference, Journal of
#: Human Resources 50 (2015), section VI: "few" ends between 20 and 50 clusters.
FEW = 50
_ANGLES = 20_001


@dataclass(frozen=True)
class DrawnUnits:
    """The unit that each row belongs to: a number from 0 to ``count`` - 1."""

    of_row: np.ndarray
    count: int

    @classmethod
    def rows(cls, rows: int) -> Self:
        """Every row is a unit of its own."""
        import numpy as np

        return cls(np.arange(rows), rows)

    @classmethod
    def blocks(cls, times: np.ndarray) -> Self:
        """Cut one series into blocks of rows that follow each other in time.

        A block has about the cube root of the number of rows: Hall, Horowitz and Jing, On blocking
        rules for the bootstrap with dependent data, Biometrika 82 (1995). Blocks do not overlap:
        Carlstein, The use of subseries values for estimating the variance of a general statistic from
        a stationary sequence, Annals of Statistics 14 (1986).

        >>> import numpy as np
        >>> DrawnUnits.blocks(np.array([8, 1, 2, 3, 4, 5, 6, 7])).of_row.tolist()
        [3, 0, 0, 1, 1, 2, 2, 3]
        """
        import numpy as np

        length = max(1, round(len(times) ** (1 / 3)))
        of_row = np.empty(len(times), dtype="int64")
        of_row[np.argsort(times, kind="stable")] = np.arange(len(times)) // length
        return cls(of_row, -(-len(times) // length))

    @property
    def effective(self) -> float:
        """How many units of equal size tell as much: ``(sum of rows)² / sum of rows²``.

        Kish, Survey Sampling (1965). One less are the degrees of freedom (Satterthwaite, Biometrics
        Bulletin 2, 1946) of a variance from independent units with these shares of it.

        >>> import numpy as np
        >>> DrawnUnits.rows(7).effective, DrawnUnits(np.array([0, 0, 0, 1]), 2).effective
        (7.0, 1.6)
        """
        import numpy as np

        sizes = np.bincount(self.of_row, minlength=self.count).astype("float64")
        return float(sizes.sum() ** 2 / (sizes**2).sum())

    def widening(self, confidence: float) -> float:
        """By what an interval of percentiles of few units has to be stretched; 1 when they are not few.

        Few units show too little of their own spread, and do not say how much: of normal means, the
        interval between percentiles is too narrow by ``sqrt(n / (n - 1)) t / z``, with Student's t of
        n - 1 degrees of freedom and the normal z. Hesterberg, What Teachers Should Know About the
        Bootstrap, The American Statistician 69 (2015). ``n`` is ``effective``, at least 2; from ``FEW``
        on the factor is under 1.04, less than what a thousand draws leave to chance.

        >>> [round(DrawnUnits.rows(n).widening(0.95), 2) for n in (2, 5, 20, 49, 50)]
        [9.17, 1.58, 1.1, 1.04, 1.0]
        """
        from math import sqrt
        from statistics import NormalDist

        found = self.effective
        if found >= FEW:
            return 1.0
        n = max(2.0, found)
        upto = (1 + confidence) / 2
        return sqrt(n / (n - 1)) * student_quantile(upto, n - 1) / NormalDist().inv_cdf(upto)


def student_quantile(upto: float, freedom: float) -> float:
    """Quantile of Student's t at ``upto`` (0.5 to 1, without 1), for 1 or more degrees of freedom.

    With t = sqrt(freedom) tan(a), the density of the angle a is that of cos(a) ** (freedom - 1).

    >>> round(student_quantile(0.975, 1), 3), round(student_quantile(0.975, 10), 4)
    (12.706, 2.2281)
    """
    import numpy as np

    angles = np.linspace(0.0, np.pi / 2, _ANGLES)
    density = np.cos(angles) ** (freedom - 1)
    area = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp((2 * upto - 1) * area[-1], area, angles)
    return float(np.sqrt(freedom) * np.tan(angle))
