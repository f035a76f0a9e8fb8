"""What a decoder notes is told in the interface's language, whatever it notes."""

from __future__ import annotations

import pytest

from cacara.media import decoding
from ui.page.wording import available, wording
from ui.search.sound_notes import told


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_every_note_of_the_decoder_is_told_in_the_interfaces_language(code):
    words = wording(code)
    notes = [
        *decoding._notes(30.0, True, False, False),
        *decoding._notes(12.3, False, True, False),
        *decoding._notes(0.93, False, False, True),
    ]
    assert len(notes) == 4
    shown = [told(note, words) for note in notes]
    assert all(was != now for was, now in zip(notes, shown, strict=True)), "none is left as the decoder wrote it"
    for seconds, now in zip(("30", "12.3", "0.9", "0.93"), shown, strict=True):
        assert seconds in now and "{" not in now


def test_another_note_stays_as_it_is():
    assert told("a note of another kind", wording("de")) == "a note of another kind"
