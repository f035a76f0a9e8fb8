"""What is found about a word, in plain sentences of the interface's language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cacara.words.comparison import Comparison
    from cacara.words.diagnosis import Finding
    from ui.page.wording import Wording


def sentences(findings: Sequence[Finding], words: Wording) -> Iterator[str]:
    """Yield a sentence for each finding, plain text."""
    for finding in findings:
        yield words(f"compare_told_{finding.code}", **finding.values)


def summary(comparison: Comparison, words: Wording) -> str:
    """Return in one sentence what was compared and how many words find their sound."""
    ranks = [place.rank for place in comparison.places if place.rank is not None]
    values = {
        "texts": len(comparison.entries),
        "languages": len({entry.language for entry in comparison.entries}),
        "found": sum(rank <= 10 for rank in ranks),
        "wanted": len(ranks),
        "sounds": comparison.sounds,
    }
    return words("compare_summary" if ranks else "compare_summary_no_sound", **values)


def agreement(comparison: Comparison, words: Wording) -> str:
    """Return in a sentence how much the languages agree, and which least; empty with one alone."""
    shares = comparison.agreement()
    columns = comparison.distinct_columns
    means: list[tuple[float, str]] = []
    for row, column in enumerate(columns):
        others = [float(share) for at, share in enumerate(shares[row]) if at != row and share == share]
        if others:
            means.append((sum(others) / len(others), column.label))
    if not means:
        return ""
    share = sum(mean for mean, _ in means) / len(means)
    ordered = sorted(means, key=lambda pair: (-pair[0], pair[1]))
    return words("compare_agree", share=f"{100 * share:.0f}", most=ordered[0][1], least=ordered[-1][1])
