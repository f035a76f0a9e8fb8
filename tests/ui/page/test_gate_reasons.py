"""Why a gate refused a model, in each language of the page."""

from __future__ import annotations

import re

import pytest

from training.feedback.reasons import SENTENCES, Reason
from ui.page.rendering import gate_reasons
from ui.page.wording import available, wording


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_every_reason_is_told_in_every_language_with_its_values(code):
    words = wording(code)
    for name, sentence in SENTENCES.items():
        places = re.findall(r"\{(\w+)\}", sentence)
        reason = Reason(name, {place: f"<{place}>" for place in places})
        (told,) = gate_reasons({"failed": [reason.sentence], "reasons": [reason.to_json()]}, words)
        assert all(f"<{place}>" in told for place in places) and "{" not in told
        assert told != reason.sentence


def test_a_measure_with_a_name_is_named_in_the_language_and_older_reports_stay_english():
    values = {"points": "+0.0", "measure": "contests won", "lower": "-1.0", "upper": "+1.0"}
    reason = Reason("feedback_worse", values)
    (told,) = gate_reasons({"failed": [reason.sentence], "reasons": [reason.to_json()]}, wording("de"))
    assert "Punkte bei gewonnenen Vergleichen" in told
    assert gate_reasons({"failed": ["(a) so"]}, wording("de")) == ["(a) so"]
    unknown = {"failed": ["(c) new"], "reasons": [{"code": "newer", "values": {}}]}
    assert gate_reasons(unknown, wording("de")) == ["(c) new"]
