"""The page's own HTML: heading, messages and preparation; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cacara.media import formats
from ui.page.templates import render
from ui.page.wording import FALLBACK, wording

if TYPE_CHECKING:
    from cacara_files.tables import Preview
    from ui.page.wording import Wording


def welcome(words: Wording) -> str:
    """Return what stands where the results will be."""
    return render("page/welcome.html", words)


def problem(message: str) -> str:
    """Return a message about what went wrong, in the place of the results."""
    return render("page/problem.html", wording(FALLBACK), message=message)


def table_reading(preview: Preview, words: Wording) -> str:
    """Return how a table was read and what its columns were taken for; the first rows belong under it.

    Args:
        preview: Of the table.
        words: The interface's language.
    """
    separator = {"\t": "Tab", "": "–"}.get(preview.separator, preview.separator)
    return render("page/table_reading.html", words, preview=preview, separator=separator)


def gate_reasons(gate: Mapping[str, Any], words: Wording) -> list[str]:
    """Return why a gate refused a model, in the interface's words; in English what has none or is of an older report.

    Args:
        gate: Its report, with ``failed``, English sentences, and ``reasons``, a code and values each.
        words: The interface's language.
    """
    sentences = [str(sentence) for sentence in gate.get("failed") or ()]
    reasons = gate.get("reasons")
    if not isinstance(reasons, list) or len(reasons) != len(sentences):
        return sentences
    sentences_in_words = []
    for reason, sentence in zip(reasons, sentences, strict=True):
        key = f"gate_{reason.get('code')}"
        values = dict(reason.get("values") or {})
        if values.get("measure") == "contests won":
            values["measure"] = words("gate_contests")
        sentences_in_words.append(words(key, **values) if key in words.table else sentence)
    return sentences_in_words


def banner(message: str) -> str:
    """Return a line for the top of the page, or nothing for an empty message."""
    return render("page/banner.html", wording(FALLBACK), message=message) if message else ""


def heading(words: Wording) -> str:
    """Return the name of the app and, in one sentence, what one can do with it."""
    return render("page/heading.html", words, sounds=formats.accept("sound", "film"))
