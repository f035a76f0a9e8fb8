"""A question as HTML, with all that it is answered with; everything that is not ours is escaped. Knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from feedback_db import REASONS
from ui.annotate.rendering import SIDES, button, key, language, language_name, plain
from ui.server.media import picture_url, sound_url, waveform_url

if TYPE_CHECKING:
    from ui.page.wording import Wording

LABELS = (("relevant", "✓"), ("partly", "◐"), ("not_relevant", "✕"), ("unsure", "?"))
"""What can be said of a clip, in the order of the keys 1 to 4, each with a sign."""
REASON_KEYS = "ADFGHJKL"
SPEEDS = ("0.5", "0.75", "1", "1.25", "1.5", "2")


def question(asked: Mapping[str, Any], known: Sequence[str], earlier: Mapping[str, Any], words: Wording) -> str:
    """Return one question with all that it is answered with.

    Args:
        asked: What ``work.shown`` returns.
        known: BCP-47 codes for the language of a description, the likeliest first.
        earlier: The same person's answer before, to be changed: ``label`` or ``choice``, ``reasons``, ``comment``,
            ``caption`` and ``caption_language``; empty for none.
        words: The interface's language.
    """
    compared = "clip" not in asked
    title = words("annotate_question_pair" if compared else "annotate_question")
    if compared:
        content = "".join(_side(side, asked, words) for side in SIDES[:2])
        content = f'<div class="annotate-sides">{content}</div>'
    else:
        content = _clip(asked["clip"], asked["clip_kind"], words("annotate_sound"), words)
    return (
        f'<article class="annotate-item" tabindex="-1" data-item="{plain(asked["item_id"])}" '
        f'data-compares="{str(compared).lower()}" aria-label="{plain(title)}">'
        f'<p class="annotate-asks">{plain(title)}</p>{_query(asked, words)}{content}{_speed(words)}'
        f"{_answers(compared, earlier, words)}{'' if compared else _more(known, earlier, words)}"
        f'<p class="annotate-tools">{button("skip", words("annotate_skip"), "S")} '
        f"{button('undo', words('annotate_undo'), 'U')} "
        f'<label class="tick"><input type="checkbox" name="auto" checked> {plain(words("annotate_auto"))}</label></p>'
        "</article>"
    )


def nothing_left(elsewhere: Sequence[str], words: Wording) -> str:
    """Return that there is nothing to do for this person now.

    Args:
        elsewhere: Names of galleries that the campaign asks about too, whose sounds are not here.
        words: The interface's words.
    """
    other = f"<p>{plain(words('annotate_elsewhere', names=', '.join(elsewhere)))}</p>" if elsewhere else ""
    return (
        '<article class="annotate-item annotate-done" tabindex="-1">'
        f"<h3>{plain(words('annotate_done'))}</h3><p>{plain(words('annotate_done_hint'))}</p>{other}"
        f'<p class="annotate-tools">{button("undo", words("annotate_undo"), "U")} '
        f"{button('next', words('annotate_look_again'))}</p></article>"
    )


def _query(asked: Mapping[str, Any], words: Wording) -> str:
    if asked["query"] is not None:
        code = asked["language"]
        lang = f' lang="{plain(code)}"' if code else ""
        name = f'<p class="hint">{language(code)}</p>' if code else ""
        return f'<blockquote class="annotate-query" dir="auto"{lang}>{plain(asked["query"])}</blockquote>{name}'
    # The script asks for it with the annotator's token: its address alone opens it to nobody.
    given = f'data-recording="{plain(asked["recording"])}"'
    if asked["query_kind"] == "picture":
        title = plain(words("annotate_query_picture"))
        return f'<p class="annotate-query"><img {given} alt="{title}"></p>'
    title = plain(words("annotate_query_sound"))
    player = f'<audio class="asked" controls {given} aria-label="{title}"></audio>'
    return f'<p class="hint">{title}</p>{player}'


def _clip(clip_id: str, kind: str, title: str, words: Wording) -> str:
    if kind == "picture":
        named = plain(words("annotate_picture"))
        return f'<div class="picture"><img src="{plain(picture_url(clip_id))}" alt="{named}"></div>'
    wave = plain(quote(waveform_url(clip_id), safe="/?=&%"))
    return (
        f'<div class="player"><div class="wave" aria-hidden="true" style="mask-image:url(\'{wave}\')">'
        "<span></span></div>"
        f'<audio controls preload="auto" src="{plain(sound_url(clip_id))}" aria-label="{plain(title)}"></audio></div>'
    )


def _side(side: str, asked: Mapping[str, Any], words: Wording) -> str:
    title = words(f"annotate_list_{side}")
    clips = "".join(
        f"<li>{_clip(clip_id, asked['clip_kind'], f'{title} {number}', words)}</li>"
        for number, clip_id in enumerate(asked[side], 1)
    )
    return f'<section aria-label="{plain(title)}"><h3>{plain(title)}</h3><ol>{clips}</ol></section>'


def _speed(words: Wording) -> str:
    options = "".join(f'<option value="{speed}"{" selected" * (speed == "1")}>{speed}×</option>' for speed in SPEEDS)
    title = plain(words("annotate_speed"))
    return f'<label class="annotate-speed"><span>{title}</span> <select name="speed">{options}</select></label>'


def _answers(compared: bool, earlier: Mapping[str, Any], words: Wording) -> str:
    if compared:
        shown = [
            (f'data-choice="{side}"', "", words(f"annotate_{side}"), earlier.get("choice") == side) for side in SIDES
        ]
    else:
        shown = [
            (
                f'data-label="{label}"',
                f'<span aria-hidden="true">{sign}</span> ',
                words("annotate_partly" if label == "partly" else label),
                earlier.get("label") == label,
            )
            for label, sign in LABELS
        ]
    buttons = "".join(
        f'<button type="button" {data} aria-pressed="{str(pressed).lower()}">'
        f"{sign}{plain(text)} {key(str(number))}</button>"
        for number, (data, sign, text, pressed) in enumerate(shown, 1)
    )
    return f'<div class="annotate-labels" role="group">{buttons}</div>'


def _more(known: Sequence[str], earlier: Mapping[str, Any], words: Wording) -> str:
    given = earlier.get("reasons", ())
    reasons = "".join(
        f'<button type="button" data-reason="{reason}" aria-pressed="{str(reason in given).lower()}">'
        f"{plain(words(f'annotate_reason_{reason}'))} {key(sign)}</button>"
        for reason, sign in zip(REASONS, REASON_KEYS, strict=True)
    )
    chosen = earlier.get("caption_language") or (known[0] if known else "")
    codes = list(dict.fromkeys([*([chosen] if chosen else []), *known]))
    options = "".join(
        f'<option value="{plain(code)}"{" selected" * (code == chosen)}>{plain(language_name(code))}</option>'
        for code in codes
    )
    return (
        f'<div class="annotate-reasons" role="group" aria-label="{plain(words("annotate_reasons"))}">'
        f'<span class="hint">{plain(words("annotate_reasons"))}</span> {reasons}</div>'
        f'<div class="annotate-words"><label><span>{plain(words("annotate_caption"))} {key("C")}</span>'
        f'<textarea name="caption" rows="1" maxlength="2000" dir="auto">{plain(earlier.get("caption") or "")}'
        "</textarea></label>"
        f"<label><span>{plain(words('annotate_caption_language'))}</span>"
        f'<select name="caption_language">{options}</select></label>'
        f"<label><span>{plain(words('annotate_comment'))} {key('N')}</span>"
        '<input name="comment" maxlength="2000" dir="auto" '
        f'value="{plain(earlier.get("comment") or "")}"></label></div>'
    )
