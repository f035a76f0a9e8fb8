"""Answers as HTML. Every text that is not ours goes through ``html.escape`` here; knows no Gradio."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from tables import Preview
    from ui.page.wording import Wording
    from ui.server.startup import Status

    Show = Callable[[Mapping[str, Any], Wording], str]

LABELS = (("relevant", "✓"), ("not_relevant", "✕"), ("unsure", "?"))
"""What can be said of a result, each with a sign, so that no colour is needed to tell them apart."""


def welcome(words: Wording) -> str:
    """Return what stands where the results will be."""
    return f'<div class="welcome"{_spoken(words)}><p>{_text(words("welcome"))}</p></div>'


def problem(message: str) -> str:
    """Return a message about what went wrong, in the place of the results."""
    return f'<div class="problem" role="alert"><p dir="auto">{_text(message)}</p></div>'


def table_reading(preview: Preview, words: Wording) -> str:
    """Return how a table was read and what its columns were taken for; the first rows belong under it.

    Args:
        preview: Of the table.
        words: The interface's language.
    """
    separator = {"\t": "Tab", "": "–"}.get(preview.separator, preview.separator)
    told = [words("table_read_as", encoding=preview.encoding, separator=separator)]
    told += [words("table_passed_over", names=", ".join(preview.passed_over))] if preview.passed_over else []
    columns = ", ".join(
        f"<bdi>{_text(heading)}</bdi> → <code>{_text(field)}</code>" for heading, field in preview.columns if heading
    )
    return (
        f'<p class="table-reading"{_spoken(words)}>{_text(" ".join(told))} {columns}'
        f"<br>{_text(words('table_first_rows'))}</p>"
    )


def banner(message: str) -> str:
    """Return a line for the top of the page, or nothing for an empty message."""
    return f'<p class="banner" role="status" dir="auto">{_text(message)}</p>' if message else ""


def preparation(status: Status, words: Wording) -> str:
    """Return how far the preparation is; nothing to be seen once it is ready."""
    if status.phase == "ready":
        return '<div class="prepared" hidden></div>'
    if status.phase == "failed":
        return (
            f'<div class="preparation failed" role="alert"{_spoken(words)}><p>{_text(words("failed"))}</p>'
            f'<p class="step" dir="auto">{_text(status.problem)}</p></div>'
        )
    value = "" if status.fraction is None else f' value="{status.fraction:.3f}"'
    title = _text(words("preparing"))
    return (
        f'<div class="preparation"{_spoken(words)}><p>{title}</p>'
        f'<progress{value} aria-label="{title}"></progress>'
        f'<p class="step" dir="auto">{_text(status.progress)}</p></div>'
    )


def text_results(result: Mapping[str, Any], names: Mapping[str, str], words: Wording) -> str:
    """Return the sounds and pictures found for a text.

    Args:
        result: What ``searching.search_text`` returns.
        names: BCP-47 code to the language's name for itself.
        words: The interface's language.
    """
    listens = result["kind"] != "picture"
    return _results(
        "read",
        words,
        _understood(result, names, words),
        _tools(words, shared=True),
        _notes(result["notes"], words),
        _jump(words, sounds="sounds", pictures="pictures") if listens and result["pictures"] else "",
        _list("sounds", words("sounds"), result, words, _sound, result["licence"]) if listens else "",
        _pictures(result, "pictures", words),
        asked={"q": result["query"], "lang": result["language"] if result["language_source"] == "chosen" else ""}
        | _filters(result),
    )


def audio_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the words, the sounds and the pictures found for a recording.

    Args:
        result: What ``searching.search_audio`` returns.
        words: The interface's language.
    """
    return _results(
        "heard",
        words,
        _tools(words),
        _notes(result["notes"], words),
        _jump(words, words="words", sounds="similar", pictures="pictures") if result["pictures"] else "",
        _list("words", words("words"), result["words"], words, _words),
        _sounds(result, "similar", words),
        _pictures(result, "pictures", words),
    )


def image_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the sounds and the pictures found for a picture or a video.

    Args:
        result: What ``searching.search_image`` or ``search_video`` returns.
        words: The interface's language.
    """
    looked = [words("video_frames", count=result["frames"])] if "frames" in result else []
    return _results(
        "seen",
        words,
        _tools(words),
        _notes([*looked, *result["notes"]], words),
        _jump(words, sounds="sounds", pictures="similar_pictures") if result["sounds"] and result["pictures"] else "",
        _sounds(result, "sounds", words),
        _pictures(result, "similar_pictures", words),
    )


def like_results(result: Mapping[str, Any], words: Wording) -> str:
    """Return the sounds and the pictures that are like one of the gallery.

    Args:
        result: What ``searching.search_like`` returns.
        words: The interface's language.
    """
    title = words("like", caption=result["caption"])
    return _results(
        "seen",
        words,
        f'<p class="understood" role="status" dir="auto">{_text(title)}</p>',
        _tools(words, shared=True),
        _notes(result["notes"], words),
        _jump(words, sounds="similar", pictures="similar_pictures") if result["sounds"] and result["pictures"] else "",
        _sounds(result, "similar", words),
        _pictures(result, "similar_pictures", words),
        asked={"like": result["clip_id"]} | _filters(result),
    )


def examples(queries: Sequence[tuple[str, str]], words: Wording) -> str:
    """Return example queries, each a (language, text), as buttons."""
    buttons = "".join(
        f'<button type="button" class="example" lang="{_text(code)}" dir="auto">{_text(text)}</button>'
        for code, text in queries
    )
    return f'<div class="examples"{_spoken(words)}><span>{_text(words("examples"))}</span>{buttons}</div>'


def heading(words: Wording) -> str:
    """Return the name of the app and, in one sentence, what one can do with it."""
    return f"<header{_spoken(words)}><h1>CACARA Studio</h1><p>{_text(words('tagline'))}</p></header>"


def history(words: Wording) -> str:
    """Return the place for what this visitor has asked, which a script fills from the browser's own storage."""
    return (
        f'<div class="examples history" hidden{_spoken(words)}><span>{_text(words("history"))}</span>'
        f'<span class="asked"></span><button type="button" class="link" data-action="forget">'
        f"{_text(words('forget'))}</button></div>"
    )


def _filters(result: Mapping[str, Any]) -> dict[str, str]:
    return {"kind": result["kind"], "licence": result["licence"]}


def _tools(words: Wording, shared: bool = False) -> str:
    """Return what can be done with all results: hide the scores and, where a link can reopen them, copy it."""
    share = (
        f'<button type="button" class="link" data-action="share" data-done="{_text(words("shared"))}">'
        f"{_text(words('share'))}</button>"
    )
    return (
        f'<p class="tools">{share if shared else ""}<button type="button" class="link" data-action="scores" '
        f'data-hide="{_text(words("scores_hide"))}" data-show="{_text(words("scores_show"))}">'
        f'{_text(words("scores_hide"))}</button><span class="done" role="status"></span></p>'
    )


def _results(how: str, words: Wording, *parts: str, asked: Mapping[str, str] | None = None) -> str:
    reopen = f' data-asked="{_text(json.dumps(asked, ensure_ascii=False))}"' if asked else ""
    return (
        f'<div class="results {how}"{_spoken(words)}{reopen} data-interface="{_text(words.code)}" '
        f'data-undone="{_text(words("undone"))}" data-saved="{_text(words("saved"))}" '
        f'data-broken="{_text(words("broken"))}">{"".join(parts)}</div>'
    )


def _understood(result: Mapping[str, Any], names: Mapping[str, str], words: Wording) -> str:
    code = result["language"]
    if code is None:
        sentence = _text(words("unknown_language"))
    else:
        key = "chosen" if result["language_source"] == "chosen" else "detected"
        name = f'<bdi lang="{_text(code)}">{_text(names.get(code, code))}</bdi>'
        # The name is put in after escaping, as it is markup.
        sentence = _text(words(key, language="\0")).replace("\0", name)
    return (
        f'<p class="understood" role="status">{sentence} '
        f'<button type="button" class="link" data-action="language">{_text(words("change"))}</button></p>'
    )


def _notes(notes: Sequence[str], words: Wording) -> str:
    return "".join(f'<p class="note" role="status" dir="auto">{_text(words.note(note))}</p>' for note in notes)


def _jump(words: Wording, /, **titles: str) -> str:
    """Return links to the lists by their kinds, for screens that show one below the other."""
    links = "".join(f'<a href="#found-{kind}">{_text(words(title))}</a>' for kind, title in titles.items())
    return f'<nav class="jump">{links}</nav>'


def _pictures(result: Mapping[str, Any], title: str, words: Wording) -> str:
    """Return the list of pictures; nothing where the model knows none."""
    found = result["pictures"]
    return "" if found is None else _list("pictures", words(title), found, words, _seen, result["licence"])


def _sounds(result: Mapping[str, Any], title: str, words: Wording) -> str:
    """Return the list of sounds; nothing where pictures alone were asked for."""
    found = result["sounds"]
    return "" if found is None else _list("sounds", words(title), found, words, _sound, result["licence"])


def _list(kind: str, title: str, found: Mapping[str, Any], words: Wording, show: Show, licence: str = "") -> str:
    judged = found["search_id"] is not None
    cards = "".join(
        f'<li class="card" data-clip="{_text(hit["clip_id"])}">{show(hit, words)}'
        f"{_buttons(hit['caption'], words) if judged else ''}{_origin(hit, words) if kind != 'words' else ''}</li>"
        for hit in found["hits"]
    )
    content = (
        f'<ol data-search="{_text(found["search_id"] or "")}">{cards}</ol>'
        if cards
        else f'<p class="note">{_text(_nothing(words, licence))}</p>'
    )
    title = _text(title)
    return f'<section class="{kind}" id="found-{kind}" aria-label="{title}"><h2>{title}</h2>{content}</section>'


def _nothing(words: Wording, licence: str) -> str:
    return words("no_hits_filtered", all=words("licence_all")) if licence else words("no_hits")


def _sound(hit: Mapping[str, Any], words: Wording) -> str:
    return (
        f"{_picture(hit)}{_caption(hit, words)}"
        f'<div class="player">{_waveform(hit)}'
        f'<audio controls preload="none" src="{_text(hit["sound"])}" aria-label="{_text(hit["caption"])}"></audio>'
        "</div>"
        f"{_score(hit['score'], words)}"
    )


def _waveform(hit: Mapping[str, Any]) -> str:
    """Return the drawing of a sound; it is a mask, so that it takes the colours of the page."""
    address = _text(quote(str(hit["waveform"]), safe="/?=&%"))
    return f'<div class="wave" aria-hidden="true" style="mask-image:url(\'{address}\')"><span></span></div>'


def _seen(hit: Mapping[str, Any], words: Wording) -> str:
    return f"{_picture(hit)}{_caption(hit, words)}{_score(hit['score'], words)}"


def _origin(hit: Mapping[str, Any], words: Wording) -> str:
    named = _text(f"{words('more_like_this')}: {hit['caption']}")
    return (
        f'<p class="origin"><button type="button" class="link" data-action="like" aria-label="{named}">'
        f"{_text(words('more_like_this'))}</button> <span>"
        f"{_text(words('source'))}: <bdi>{_text(hit['source'])}</bdi> · "
        f"{_text(words('licence'))}: <bdi>{_text(hit['licence'])}</bdi></span></p>"
    )


def _words(hit: Mapping[str, Any], words: Wording) -> str:
    return f"{_caption(hit, words)}{_score(hit['score'], words)}"


def _caption(hit: Mapping[str, Any], words: Wording) -> str:
    lang = f' lang="{_text(hit["caption_language"])}"' if hit["caption_language"] else ""
    return (
        f'<p class="caption"><span class="rank" aria-hidden="true">{hit["rank"]}</span>'
        f'<span class="unseen">{_text(words("rank", rank=hit["rank"]))}: </span>'
        f'<span{lang} dir="auto">{_text(hit["caption"])}</span></p>'
    )


def _picture(hit: Mapping[str, Any]) -> str:
    if hit["picture"] is None:
        return '<div class="picture none" aria-hidden="true"></div>'
    # The description stands beside it, so a reader need not hear it twice.
    return f'<div class="picture"><img src="{_text(hit["picture"])}" alt="" loading="lazy"></div>'


def _score(score: float, words: Wording) -> str:
    filled = max(0.0, min(1.0, score))
    return (
        f'<p class="score"><span class="bar" aria-hidden="true"><span style="inline-size:{filled:.1%}"></span></span>'
        f"<span>{_text(words('score'))} {score:.2f}</span></p>"
    )


def _buttons(caption: str, words: Wording) -> str:
    question = _text(f"{words('question')} {caption}")
    buttons = "".join(
        f'<button type="button" data-label="{label}" aria-pressed="false">'
        f'<span aria-hidden="true">{sign}</span> {_text(words(label))}</button>'
        for label, sign in LABELS
    )
    return (
        f'<div class="judge" role="group" aria-label="{question}">{buttons}'
        f'<button type="button" class="link" data-action="undo" hidden>{_text(words("undo"))}</button>'
        '<span class="verdict" role="status" dir="auto"></span></div>'
    )


def _spoken(words: Wording) -> str:
    return f' lang="{_text(words.code)}" dir="{words.direction}"'


def _text(value: object) -> str:
    return escape(str(value), quote=True)
