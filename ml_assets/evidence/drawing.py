"""Pictures of the numbers. No global state of matplotlib is touched; the same numbers, the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.evidence.numbers import MOST_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from ml_assets.evidence.numbers import Numbers

BLUE, ORANGE, GREY, DARK = "#3b6fb6", "#d9822b", "#9aa3ad", "#2b3138"
COLOURS = (BLUE, ORANGE, "#5b9e6f", "#8a6fb0", GREY)


def save(path: Path, title: str, numbers: Numbers, draw: Callable[[Axes, Numbers], None]) -> Path:
    """Draw one figure as PNG; where its numbers are undefined, the reason stands in its place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left", color=DARK)
    if reason := numbers.get("undefined"):
        axes.text(0.5, 0.5, f"not defined:\n{reason}", ha="center", va="center", wrap=True)
        axes.set_axis_off()
    else:
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, numbers)
    # Without matplotlib's own version in it, the file depends on the numbers alone.
    figure.savefig(path, metadata={"Software": None})
    return path


def draw_roc(axes: Axes, numbers: Numbers) -> None:
    """The curve beside a random order."""
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="random order")
    x, y = numbers["false_positive_rate"], numbers["true_positive_rate"]
    axes.plot(x, y, color=BLUE, label=f"model, area {numbers['roc_auc']:.4f}")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def draw_precision_recall(axes: Axes, numbers: Numbers) -> None:
    """The curve above the base rate."""
    base = numbers["base_rate"]
    axes.axhline(base, color=GREY, linestyle="--", linewidth=1, label=f"random order, {base:.4f}")
    shown = f"model, average precision {numbers['average_precision']:.4f}"
    axes.plot(numbers["recall"], numbers["precision"], color=BLUE, label=shown)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="best", frameon=False, fontsize=9)


def draw_calibration(axes: Axes, numbers: Numbers) -> None:
    """Observed share by predicted probability; dots grow with the rows in a bin."""
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    x, y, rows = numbers["predicted"], numbers["observed"], numbers["rows_in_bin"]
    axes.plot(x, y, color=BLUE, linewidth=1)
    sizes = [20 + 180 * n / max(rows) for n in rows]
    axes.scatter(x, y, s=sizes, color=BLUE, alpha=0.7, label="model (size: rows)", linewidths=0)
    axes.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="upper left", frameon=False, fontsize=9, markerscale=0.6)


def draw_scores(axes: Axes, numbers: Numbers) -> None:
    """Histograms of all groups on the same bins, as shares of each group's rows."""
    edges = numbers["edges"]
    width = edges[1] - edges[0]
    for colour, (name, counts) in zip(COLOURS, numbers["counts"].items(), strict=False):
        total = sum(counts)
        shares = [n / total if total else 0.0 for n in counts]
        label = f"{name} ({total:,} rows)"
        axes.bar(edges[:-1], shares, width, align="edge", color=colour, alpha=0.55, label=label)
    axes.set(xlabel=numbers["score"], ylabel="share of rows")
    axes.legend(loc="best", frameon=False, fontsize=9)


def draw_confusion(axes: Axes, numbers: Numbers) -> None:
    """Shares of each class's rows, with the counts written in."""
    names, matrix = numbers["classes"], numbers["matrix"]
    sums = [max(sum(row), 1) for row in matrix]
    shares = [[n / total for n in row] for row, total in zip(matrix, sums, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size = 9 if len(names) <= 8 else 6  # noqa: PLR2004 - what fits
    for i, row in enumerate(matrix):
        for j, n in enumerate(row):
            colour = "white" if shares[i][j] > 0.55 else DARK  # noqa: PLR2004
            axes.text(j, i, f"{n:,}", ha="center", va="center", fontsize=size, color=colour)
    short = [n if len(n) <= 14 else f"{n[:6]}…{n[-7:]}" for n in names]  # noqa: PLR2004
    turn = 0 if len(names) <= 5 else 60  # noqa: PLR2004
    axes.set_xticks(range(len(names)), short, fontsize=size, rotation=turn)
    axes.set_yticks(range(len(names)), short, fontsize=size)
    axes.set(xlabel="predicted class", ylabel="class")


def draw_per_class(axes: Axes, numbers: Numbers) -> None:
    """Precision and recall of the classes with most rows."""
    rows, names = numbers["rows_of_class"], numbers["classes"]
    first = sorted(range(len(rows)), key=lambda i: (-rows[i], i))[:MOST_CLASSES]
    places = range(len(first))
    for offset, (name, colour) in zip(
        (-0.2, 0.2), (("precision", BLUE), ("recall", ORANGE)), strict=True
    ):
        values = [numbers[name][i] for i in first]
        axes.barh([p + offset for p in places], values, 0.38, color=colour, label=name)
    axes.set_yticks(places, [f"{names[i][:20]} ({rows[i]:,})" for i in first], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="on the holdout (rows of the class in brackets)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)


def draw_predicted_actual(axes: Axes, numbers: Numbers) -> None:
    """Dots beside the diagonal on which both would be equal."""
    x, y = numbers["actual"], numbers["predicted"]
    low, high = min(*x, *y), max(*x, *y)
    axes.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1, label="equal")
    shown, rows = numbers["rows_shown"], numbers["rows"]
    label = f"{shown:,} of {rows:,} rows" if shown < rows else f"{rows:,} rows"
    axes.scatter(x, y, s=8, color=BLUE, alpha=0.4, linewidths=0, label=label)
    axes.set(xlabel="actual", ylabel="predicted")
    axes.legend(loc="upper left", frameon=False, fontsize=9)


def draw_residuals(axes: Axes, numbers: Numbers) -> None:
    """The histogram, with no error and the mean error marked."""
    edges, counts = numbers["edges"], numbers["counts"]
    axes.bar(edges[:-1], counts, edges[1] - edges[0], align="edge", color=BLUE, alpha=0.8)
    axes.axvline(0, color=DARK, linewidth=1, label="no error")
    mean = numbers["mean"]
    axes.axvline(mean, color=ORANGE, linewidth=1.5, label=f"mean error {mean:.4g}")
    axes.set(xlabel="predicted minus actual (middle 98 %)", ylabel="rows")
    axes.legend(loc="best", frameon=False, fontsize=9)
