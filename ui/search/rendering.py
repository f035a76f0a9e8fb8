"""Answers of the Search tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ui.page.templates import markup, render
from ui.search import class_names

if TYPE_CHECKING:
    from markupsafe import Markup

    from ui.page.wording import Wording

WORDS_SHOWN = 8
"""Of a query, with what they mean."""
SHOWN_AT_ONCE = 10
"""Hits of a list that are on the page at first, and that each *Show more* adds."""
SIGNS = {"likely": "●", "maybe": "◐", "unlikely": "○"}
"""How likely a result is right, each with a sign, likewise."""
LABELS = (("relevant", "✓"), ("not_relevant", "✕"), ("unsure", "?"))
"""The judgements of a result, each with a sign, so that colour is not needed to distinguish them."""


def text_results(
    result: Mapping[str, Any], names: Mapping[str, str], words: Wording, *, correctable: bool = False
) -> str:
    """Return the sounds and pictures found for a text.

    Args:
        result: As ``actions.search_text`` returns it.
        names: BCP-47 code to the language's name for itself.
        words: The interface's language.
        correctable: Whether the visitor may take back what a word was looked up as.
    """
    listens = result["kind"] != "picture"
    chosen = result["language"] if result["language_source"] == "chosen" else ""
    return _results(
        "read",
        words,
        notes=result["notes"],
        sentence=_language_sentence(result, names, words),
        language=True,
        looked_up=_looked_up(result["looked_up"], correctable, words),
        lists=[
            *([_list("sounds", "sounds", result, result["licence"])] if listens else []),
            *_media(result, pictures="pictures"),
        ],
        jump=("sounds", "pictures") if listens and result["pictures"] else (),
        reopen={"q": result["query"], "lang": chosen} | _filters(result),
    )


def audio_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the words, the sounds and the pictures found for a recording.

    Args:
        result: As ``actions.search_audio`` returns it.
        words: The interface's language.
    """
    lists = [_list("words", "words", result["words"]), *_media(result, sounds="similar", pictures="pictures")]
    jump = ("words", "sounds", "pictures") if result["pictures"] else ()
    return _results("heard", words, notes=result["notes"], lists=lists, jump=jump)


def image_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the sounds and the pictures found for a picture or a video.

    Args:
        result: As ``actions.search_image`` or ``search_video`` returns it.
        words: The interface's language.
    """
    frames = [words("video_frames", count=result["frames"])] if "frames" in result else []
    lists = _media(result, sounds="sounds", pictures="similar_pictures")
    jump = ("sounds", "pictures") if result["sounds"] and result["pictures"] else ()
    return _results("seen", words, notes=[*frames, *result["notes"]], lists=lists, jump=jump)


def like_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the sounds and the pictures that are like one of the gallery.

    Args:
        result: As ``actions.search_like`` returns it.
        words: The interface's language.
    """
    return _results(
        "seen",
        words,
        notes=result["notes"],
        sentence=words("like", caption=result["caption"]),
        lists=_media(result, sounds="similar", pictures="similar_pictures"),
        jump=("sounds", "pictures") if result["sounds"] and result["pictures"] else (),
        reopen={"like": result["clip_id"]} | _filters(result),
    )


def examples(queries: Sequence[tuple[str, str]], words: Wording) -> str:
    """Return example queries, each a (language, text), as buttons."""
    return render("search/examples.html", words, queries=queries)


def history(words: Wording) -> str:
    """Return the place for this visitor's latest queries, which a script fills from the browser's own storage."""
    return render("search/history.html", words)


def speech_offer(search_id: str, words: Wording, problem: str = "") -> str:
    """Return the offer to search by transcribed speech.

    Args:
        search_id: The recording's search.
        words: The interface's language.
        problem: Reason why the last try failed; empty for none.
    """
    return render("search/speech_offer.html", words, search_id=search_id, answer=_answer(), problem=problem)


def speech_progress(search_id: str, state: Mapping[str, Any], words: Wording) -> str:
    """Return how far the preparation is; the page asks again by itself.

    Args:
        search_id: The recording's search.
        state: As ``transcription.write_down`` returns it.
        words: The interface's language.
    """
    return render("search/speech_progress.html", words, search_id=search_id, answer=_answer(), state=state)


def speech_words(search_id: str, state: Mapping[str, Any], words: Wording) -> str:
    """Return the transcribed speech, to be corrected and searched for.

    Args:
        search_id: The recording's search.
        state: As ``transcription.write_down`` returns it.
        words: The interface's language.
    """
    return render("search/speech_words.html", words, search_id=search_id, answer=_answer(), state=state)


def live_words(nearest: Sequence[tuple[str, str | None, float]], quiet: bool, speech: bool, words: Wording) -> str:
    """Return the words for what sounds just now.

    Args:
        nearest: Text, its language and its score, best first.
        quiet: There is nothing audible.
        speech: Somebody speaks.
        words: The interface's language.
    """
    return render("search/live_words.html", words, nearest=nearest, quiet=quiet, speech=speech)


def live_hint(words: Wording) -> str:
    """Return what live listening does."""
    return render("search/live_hint.html", words)


def _results(
    how: str,
    words: Wording,
    *,
    notes: Sequence[Any],
    lists: Sequence[Mapping[str, Any]],
    jump: Sequence[str],
    sentence: str = "",
    language: bool = False,
    reopen: Mapping[str, str] | None = None,
    looked_up: Markup | None = None,
) -> str:
    titles = {each["kind"]: each["title"] for each in lists}
    return render(
        "search/results.html",
        words,
        how=how,
        notes=[words.note(note) for note in notes],
        lists=lists,
        jump=[(kind, titles[kind]) for kind in jump],
        sentence=sentence,
        language=language,
        reopen=reopen,
        looked_up=looked_up,
        labels=LABELS,
        at_once=SHOWN_AT_ONCE,
        signs=SIGNS,
        named=lambda name: class_names.in_language(name, words.code),
    )


def _media(result: Mapping[str, Any], **titles: str) -> list[Mapping[str, Any]]:
    """Return the lists of sounds and pictures, without a kind that was not asked for or that the model lacks."""
    kinds = (kind for kind in titles if result[kind] is not None)
    return [_list(kind, titles[kind], result[kind], result["licence"]) for kind in kinds]


def _list(kind: str, title: str, found: Mapping[str, Any], licence: str = "") -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "hits": found["hits"],
        "search_id": found["search_id"],
        "licence": licence,
        # Within the sentence a description's own full stop would end it.
        "nothing_but": found["hits"][0]["caption"].rstrip(".。") if found["nothing_fits"] else "",
    }


def _looked_up(found: Sequence[Mapping[str, Any]], correctable: bool, words: Wording) -> Markup | None:
    """Return which words of a query the model knows by heart and as what; None where it knows none."""
    shown = found[:WORDS_SHOWN]
    return markup("search/looked_up.html", words, found=shown, correctable=correctable) if found else None


def _language_sentence(result: Mapping[str, Any], names: Mapping[str, str], words: Wording) -> str:
    """Return which language the query was read in, its name marked up as that language's."""
    code = result["language"]
    if code is None:
        return words("unknown_language")
    key = "chosen" if result["language_source"] == "chosen" else "detected"
    return markup("search/understood.html", words, key=key, code=code, name=names.get(code, code))


def _filters(result: Mapping[str, Any]) -> dict[str, str]:
    return {"kind": result["kind"], "licence": result["licence"]}


def _answer() -> str:
    """Return a unique id: Gradio sends the page no answer that equals the one before."""
    return uuid4().hex
