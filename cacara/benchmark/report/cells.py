"""Cells of a report's Markdown tables: recalls and their intervals, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def recalls(figures: Mapping[str, Any] | None) -> str:
    """Return R@1, R@5 and R@10, each with its spread over seeds where there are several; a dash for no figures."""
    return " / ".join(recall(figures, depth) for depth in (1, 5, 10)) if figures else "–"


def recall(figures: Mapping[str, Any], depth: int) -> str:
    """Return one recall, with its spread over seeds where there are several."""
    std = figures.get(f"std_recall_at_{depth}")
    return f"{figures[f'recall_at_{depth}']:.1f}" + ("" if std is None else f" ± {std:.1f}")


def interval(figures: Mapping[str, Any] | None, depth: int = 10) -> str:
    """Return the confidence interval of a recall; a dash for no figures."""
    return "{:.1f}–{:.1f}".format(*figures[f"ci95_recall_at_{depth}"]) if figures else "–"
