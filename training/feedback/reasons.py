"""Why a gate refuses a model: a code and values, which the page tells in its own language, and the English sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

_CHANGE = "{points} points of {measure}, 95 % {lower} to {upper}"
SENTENCES: Mapping[str, str] = {
    "few_pairs": "(a) has {pairs} held-out pairs that fit; wanted {wanted} or more, so more feedback",
    "not_better": f"(a) judged concepts do not improve: {_CHANGE}; wanted above 0",
    "feedback_worse": f"(a) held-out feedback is answered worse: {_CHANGE}",
    "no_unjudged": "(b) there is no concept that nobody judged; nothing shows what was forgotten",
    "languages_lose": "(b) unjudged concepts lose significantly at R@10 in {languages}",
    "mean_loses": "(b) unjudged concepts lose {points} points of R@10 on average; allowed are {allowed}",
}
"""Code → the English sentence with places for the values."""


@dataclasses.dataclass(frozen=True)
class Reason:
    """One thing that a gate found wrong.

    Attributes:
        code: One of ``SENTENCES``.
        values: What stands in its places, ready to be shown.
    """

    code: str
    values: Mapping[str, str | int]

    @property
    def sentence(self) -> str:
        """The reason in English."""
        return SENTENCES[self.code].format(**self.values)

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"code": self.code, "values": dict(self.values)}
