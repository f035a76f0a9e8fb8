"""What was said and what is heard, as HTML; every text that is not ours is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from ui.page.wording import Wording


def speech_offer(search_id: str, words: Wording, problem: str = "") -> str:
    """Return the offer to search for what was said.

    Args:
        search_id: The recording's search.
        words: The interface's language.
        problem: Why the last try failed, if there was one.
    """
    trouble = f'<p class="problem" role="alert" dir="auto">{_text(problem)}</p>' if problem else ""
    return (
        f'<div class="speech"{_spoken(words)} {_answer(search_id)}>'
        f'<p role="status">{_text(words("speech_offer"))} {_button("write", words("speech_write"))}</p>{trouble}</div>'
    )


def speech_progress(search_id: str, told: Mapping[str, Any], words: Wording) -> str:
    """Return how far the preparation is; the page asks again by itself.

    Args:
        search_id: The recording's search.
        told: What ``writing_down.write_down`` returns.
        words: The interface's language.
    """
    value = "" if told["fraction"] is None else f' value="{told["fraction"]:.3f}"'
    title = _text(words("speech_preparing"))
    return (
        f'<div class="speech preparation"{_spoken(words)} {_answer(search_id)} data-waiting>'
        f'<p role="status">{title}</p><progress{value} aria-label="{title}"></progress>'
        f'<p class="step" dir="auto">{_text(told["progress"])}</p></div>'
    )


def speech_words(search_id: str, told: Mapping[str, Any], words: Wording) -> str:
    """Return what was said, to be corrected and searched for.

    Args:
        search_id: The recording's search.
        told: What ``writing_down.write_down`` returns.
        words: The interface's language.
    """
    key = "speech_guessed" if told["guessed"] else "speech_said"
    name = f'<bdi lang="{_text(told["language"])}">{_text(told["language_name"])}</bdi>'
    # The name is put in after escaping, as it is markup.
    sentence = _text(words(key, language="\0")).replace("\0", name)
    return (
        f'<div class="speech said"{_spoken(words)} {_answer(search_id)} '
        f'data-language="{_text(told["query_language"])}"><label><span>{_text(words("speech_words"))}</span>'
        f'<input type="text" maxlength="2000" dir="auto" lang="{_text(told["language"])}" '
        f'value="{_text(told["words"])}"></label>{_button("said", words("search"))} '
        f'{_button("write", words("speech_again"))}<p class="told">{sentence}</p></div>'
    )


def live_words(heard: Sequence[tuple[str, str | None, float]], quiet: bool, speech: bool, words: Wording) -> str:
    """Return the words for what is heard just now.

    Args:
        heard: Text, its language and its score, best first.
        quiet: There is nothing to be heard.
        speech: Somebody speaks.
        words: The interface's language.
    """
    if quiet:
        content = f'<p class="quiet">{_text(words("live_quiet"))}</p>'
    else:
        rows = "".join(
            f'<li{_language(code)} dir="auto" style="--likely:{max(0.0, min(1.0, score)):.2f}">{_text(text)}</li>'
            for text, code, score in heard
        )
        content = (f'<p class="quiet">{_text(words("live_speech"))}</p>' if speech else "") + f"<ol>{rows}</ol>"
    return f'<div class="live" role="log" aria-label="{_text(words("live_words"))}"{_spoken(words)}>{content}</div>'


def live_hint(words: Wording) -> str:
    """Return what live listening does."""
    return f'<p class="hint"{_spoken(words)}>{_text(words("live_hint"))}</p>'


def _answer(search_id: str) -> str:
    """Return attributes that no other answer has: the page is told of no answer that equals the one before."""
    return f'data-search="{_text(search_id)}" data-answer="{uuid4().hex}"'


def _button(action: str, text: str) -> str:
    return f'<button type="button" class="act" data-action="{action}">{_text(text)}</button>'


def _language(code: str | None) -> str:
    return f' lang="{_text(code)}"' if code else ""


def _spoken(words: Wording) -> str:
    return f' lang="{_text(words.code)}" dir="{words.direction}"'


def _text(value: object) -> str:
    return escape(str(value), quote=True)
