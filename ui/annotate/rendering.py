"""The Annotate tab as HTML; everything that is not ours is escaped. Knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cacara import languages as language_codes
from feedback_db import REASONS, Adjudication, Caption, Judgement, Preference, Undo
from ui.media import picture_url, sound_url, waveform_url

if TYPE_CHECKING:
    from feedback_db import AnnotatorStatistics, Campaign, Event, Progress
    from ui.wording import Wording

LABELS = (("relevant", "✓"), ("partly", "◐"), ("not_relevant", "✕"), ("unsure", "?"))
"""What can be said of a clip, in the order of the keys 1 to 4, each with a sign."""
SIDES = ("left", "right", "both", "neither")
REASON_KEYS = "ADFGHJKL"
SPEEDS = ("0.5", "0.75", "1", "1.25", "1.5", "2")
EVENTS_SHOWN = 200
MARKDOWN_HEADINGS = {"h1": "h4", "h2": "h5", "h3": "h6"}

# What the script says itself; each is put beside the frame as data.
_SPOKEN = ("broken", "saved", "annotate_copied", "annotate_working", "annotate_saved_next")


def shell(words: Wording) -> str:
    """Return the tab's frame; ``annotate.js`` fills it."""
    spoken = "".join(f' data-{key.replace("_", "-")}="{_text(words(key))}"' for key in _SPOKEN)
    return (
        f'<div class="annotate" lang="{_text(words.code)}" dir="{words.direction}" '
        f'data-interface="{_text(words.code)}"{spoken}>'
        '<p class="annotate-told" role="status" aria-live="polite"></p><div class="annotate-page"></div></div>'
    )


def sign_in(words: Wording) -> str:
    """Return the page on which somebody takes a name, or shows the token of the one they have."""
    return (
        f'<section class="annotate-sign"><p class="annotate-lead">{_text(words("annotate_intro"))}</p>'
        f'<form data-form="register"><label><span>{_text(words("annotate_name"))}</span>'
        '<input name="name" required maxlength="100" autocomplete="nickname" dir="auto"></label>'
        f'<p class="hint">{_text(words("annotate_name_hint"))}</p>'
        f'<label class="tick"><input type="checkbox" name="agreed" required> {_text(words("annotate_consent"))}</label>'
        f'<button class="primary">{_text(words("annotate_begin"))}</button></form>'
        f"<details><summary>{_text(words('annotate_have_token'))}</summary>"
        f'<form data-form="token"><label><span>{_text(words("annotate_token"))}</span>'
        '<input name="token" type="password" required maxlength="200" autocomplete="current-password" dir="ltr"></label>'
        f"<button>{_text(words('annotate_use_token'))}</button></form></details></section>"
    )


def registered(name: str, token: str, words: Wording) -> str:
    """Return the page that shows a new token, once."""
    told = _around(words("annotate_token_told", name="\0"), name)
    return (
        f'<section class="annotate-sign"><h2>{_around(words("annotate_signed_in", name=chr(0)), name)}</h2>'
        f'<p>{told}</p><p class="annotate-token"><code dir="ltr">{_text(token)}</code> '
        f'<button type="button" data-action="copy-token">{_text(words("annotate_copy"))}</button></p>'
        f'<button type="button" class="primary" data-action="campaigns">{_text(words("annotate_go_on"))}</button></section>'
    )


def campaigns(
    name: str, found: Sequence[tuple[Campaign, Progress, int]], may_start: bool, words: Wording
) -> str:
    """Return the list of campaigns to choose from.

    Args:
        name: Who looks.
        found: Each campaign with how far it is and how much this person has answered.
        may_start: Whether this visitor may begin one made of examples.
        words: The interface's language.
    """
    cards = "".join(_campaign(*each, words) for each in found)
    title = "annotate_campaigns" if found else "annotate_no_campaign"
    if found:
        none = ""
    elif may_start:
        none = (
            f"<p>{_text(words('annotate_examples_told'))}</p>"
            f'<button type="button" class="primary" data-action="examples">{_text(words("annotate_examples"))}</button>'
        )
    else:
        none = f"<p>{_text(words('annotate_wait_lead'))}</p>"
    return f'{_me(name, words)}<section><h2>{_text(words(title))}</h2><ul class="annotate-list">{cards}</ul>{none}</section>'


def desk(
    campaign: Campaign,
    chosen: Sequence[str],
    progress: Progress,
    mine: AnnotatorStatistics,
    body: str,
    words: Wording,
) -> str:
    """Return the page of one campaign around a question or the word that none is left.

    Args:
        campaign: The campaign.
        chosen: Its languages in which this person is asked; none for any.
        progress: How far it is.
        mine: What this person has done in it.
        body: What ``question`` or ``nothing_left`` returned.
        words: The interface's language.
    """
    languages = "".join(
        f'<label><input type="checkbox" name="languages" value="{_text(code)}"{" checked" * (code in chosen)}> '
        f"{_language(code)}</label>"
        for code in campaign.languages
    )
    pick = (
        f"<details><summary>{_text(words('annotate_languages'))}: {_chosen(chosen, words)}</summary>"
        f'<div class="annotate-boxes">{languages}</div><p class="hint">{_text(words("annotate_any_language"))}</p></details>'
        if languages
        else ""
    )
    guide = (
        f'<details class="annotate-guide"{" open" * (not mine.judgements and not mine.preferences)}>'
        f"<summary>{_text(words('annotate_guidelines'))}</summary>"
        f'<div class="annotate-text" dir="auto">{guidelines(campaign.guidelines)}</div></details>'
        if campaign.guidelines.strip()
        else ""
    )
    share = min(1.0, progress.answers / progress.wanted) if progress.wanted else 0.0
    told = _text(words("annotate_progress", done=progress.answers, wanted=progress.wanted))
    return (
        f'<div class="annotate-desk" data-campaign="{_text(campaign.campaign_id)}">'
        f'<header><p class="annotate-bar"><button type="button" class="link" data-action="campaigns">'
        f"{_text(words('annotate_campaigns'))}</button> "
        f'<button type="button" class="link" data-action="share">{_text(words("annotate_link"))}</button> '
        f'<button type="button" class="link" data-action="mine">{_text(words("annotate_mine"))}</button></p>'
        f'<h2 dir="auto">{_text(campaign.name)}</h2>'
        f'<progress value="{share:.4f}" aria-label="{told}"></progress>'
        f'<p class="hint">{told} · {_text(_statistics(mine, words))}</p></header>'
        f'{body}<footer class="annotate-foot">{guide}{pick}'
        f'<details class="annotate-keys"><summary>{_text(words("annotate_keys"))}</summary>'
        f"<p>{_text(words('annotate_keys_told'))}</p></details>"
        f'<details class="annotate-recent"><summary data-action="recent">{_text(words("annotate_recent"))}</summary>'
        "<div></div></details></footer></div>"
    )


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
        f'<article class="annotate-item" tabindex="-1" data-item="{_text(asked["item_id"])}" '
        f'data-compares="{str(compared).lower()}" aria-label="{_text(title)}">'
        f'<p class="annotate-asks">{_text(title)}</p>{_query(asked, words)}{content}{_speed(words)}'
        f"{_answers(compared, earlier, words)}{'' if compared else _more(known, earlier, words)}"
        f'<p class="annotate-tools"><button type="button" data-action="skip">{_text(words("annotate_skip"))} '
        f'{_key("S")}</button> <button type="button" data-action="undo">{_text(words("annotate_undo"))} {_key("U")}</button> '
        f'<label class="tick"><input type="checkbox" name="auto" checked> {_text(words("annotate_auto"))}</label></p>'
        "</article>"
    )


def nothing_left(words: Wording) -> str:
    """Return that there is nothing to do for this person now."""
    return (
        '<article class="annotate-item annotate-done" tabindex="-1">'
        f"<h3>{_text(words('annotate_done'))}</h3><p>{_text(words('annotate_done_hint'))}</p>"
        f'<p class="annotate-tools"><button type="button" data-action="undo">{_text(words("annotate_undo"))} {_key("U")}</button> '
        f'<button type="button" data-action="next">{_text(words("annotate_look_again"))}</button></p></article>'
    )


def recent(events: Sequence[Judgement | Preference], words: Wording) -> str:
    """Return a person's latest answers, each with a button to change it."""
    rows = "".join(
        f'<li><span dir="auto">{_text(event.query_text or "♪")}</span> · <b>{_text(_said(event, words))}</b> '
        f'<button type="button" class="link" data-action="again" data-item="{_text(event.item_id)}">'
        f"{_text(words('annotate_edit'))}</button></li>"
        for event in events
    )
    return f'<ul class="annotate-latest">{rows}</ul>'


def mine(name: str, events: Sequence[Event], recordings: int, words: Wording) -> str:
    """Return the page on which somebody lists, takes away and deletes what is theirs."""
    rows = "".join(
        f'<tr><td dir="ltr">{_text(event.created_utc[:16].replace("T", " "))}</td>'
        f"<td>{_text(words(f'annotate_kind_{type(event).__name__.lower()}'))}</td>"
        f'<td dir="auto">{_text(_told(event, words))}</td></tr>'
        for event in list(reversed(events))[:EVENTS_SHOWN]
    )
    told = _text(words("annotate_mine_told", events=len(events), recordings=recordings))
    heads = "".join(f"<th>{_text(words(key))}</th>" for key in ("annotate_when", "annotate_kind", "annotate_what"))
    return (
        f'{_me(name, words)}<section class="annotate-mine"><h2>{_text(words("annotate_mine"))}</h2><p>{told}</p>'
        f'<p><button type="button" data-action="download">{_text(words("annotate_download"))}</button> '
        f'<button type="button" class="link" data-action="campaigns">{_text(words("annotate_back"))}</button></p>'
        f'<div class="annotate-scroll" tabindex="0" role="region" aria-label="{_text(words("annotate_mine"))}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<form data-form="forget"><label><span>{_text(words("annotate_delete_confirm"))}</span>'
        '<input name="name" required autocomplete="off" dir="auto"></label>'
        f'<button class="danger">{_text(words("annotate_delete"))}</button></form></section>'
    )


def deleted(events: int, recordings: int, words: Wording) -> str:
    """Return what was deleted."""
    return f'<p class="note">{_text(words("annotate_deleted", events=events, recordings=recordings))}</p>'


def guidelines(markdown: str) -> str:
    """Return guidelines as HTML: HTML within them stays text, no picture is fetched, no link runs anything."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = made.parse(markdown)
    for token in tokens:
        token.tag = MARKDOWN_HEADINGS.get(token.tag, token.tag)
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
                child.attrSet("target", "_blank")
    return str(made.renderer.render(tokens, made.options, {}))


def _me(name: str, words: Wording) -> str:
    return (
        f'<p class="annotate-bar">{_around(words("annotate_signed_in", name=chr(0)), name)} '
        f'<button type="button" class="link" data-action="mine">{_text(words("annotate_mine"))}</button> '
        f'<button type="button" class="link" data-action="leave">{_text(words("annotate_sign_out"))}</button></p>'
    )


def _campaign(campaign: Campaign, progress: Progress, mine: int, words: Wording) -> str:
    spoken = ", ".join(_language(code) for code in campaign.languages) or _text(words("annotate_any"))
    share = min(1.0, progress.answers / progress.wanted) if progress.wanted else 0.0
    told = _text(words("annotate_progress", done=progress.answers, wanted=progress.wanted))
    return (
        f'<li><h3 dir="auto">{_text(campaign.name)}</h3><progress value="{share:.4f}" aria-label="{told}"></progress>'
        f'<p class="hint">{told} · {_text(words("annotate_mine_count", count=mine))}</p><p class="hint">{spoken}</p>'
        f'<button type="button" class="primary" data-action="open" data-campaign="{_text(campaign.campaign_id)}">'
        f'{_text(words("annotate_open"))}<span class="unseen">: {_text(campaign.name)}</span></button></li>'
    )


def _query(asked: Mapping[str, Any], words: Wording) -> str:
    if asked["query"] is not None:
        code = asked["language"]
        lang = f' lang="{_text(code)}"' if code else ""
        name = f'<p class="hint">{_language(code)}</p>' if code else ""
        return f'<blockquote class="annotate-query" dir="auto"{lang}>{_text(asked["query"])}</blockquote>{name}'
    address = f"media/consented?sha256={quote(str(asked['recording']), safe='')}"
    if asked["query_kind"] == "picture":
        title = _text(words("annotate_query_picture"))
        return f'<p class="annotate-query"><img src="{_text(address)}" alt="{title}"></p>'
    title = _text(words("annotate_query_sound"))
    return f'<p class="hint">{title}</p><audio class="asked" controls preload="none" src="{_text(address)}" aria-label="{title}"></audio>'


def _clip(clip_id: str, kind: str, title: str, words: Wording) -> str:
    if kind == "picture":
        return f'<div class="picture"><img src="{_text(picture_url(clip_id))}" alt="{_text(words("annotate_picture"))}"></div>'
    wave = _text(quote(waveform_url(clip_id), safe="/?=&%"))
    return (
        f'<div class="player"><div class="wave" aria-hidden="true" style="mask-image:url(\'{wave}\')"><span></span></div>'
        f'<audio controls preload="auto" src="{_text(sound_url(clip_id))}" aria-label="{_text(title)}"></audio></div>'
    )


def _side(side: str, asked: Mapping[str, Any], words: Wording) -> str:
    title = words(f"annotate_list_{side}")
    clips = "".join(
        f"<li>{_clip(clip_id, asked['clip_kind'], f'{title} {number}', words)}</li>"
        for number, clip_id in enumerate(asked[side], 1)
    )
    return f'<section aria-label="{_text(title)}"><h3>{_text(title)}</h3><ol>{clips}</ol></section>'


def _speed(words: Wording) -> str:
    options = "".join(f'<option value="{speed}"{" selected" * (speed == "1")}>{speed}×</option>' for speed in SPEEDS)
    return f'<label class="annotate-speed"><span>{_text(words("annotate_speed"))}</span> <select name="speed">{options}</select></label>'


def _answers(compared: bool, earlier: Mapping[str, Any], words: Wording) -> str:
    if compared:
        shown = [(f'data-choice="{side}"', "", words(f"annotate_{side}"), earlier.get("choice") == side) for side in SIDES]
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
        f'<button type="button" {data} aria-pressed="{str(pressed).lower()}">{sign}{_text(text)} {_key(str(number))}</button>'
        for number, (data, sign, text, pressed) in enumerate(shown, 1)
    )
    return f'<div class="annotate-labels" role="group">{buttons}</div>'


def _more(known: Sequence[str], earlier: Mapping[str, Any], words: Wording) -> str:
    reasons = "".join(
        f'<button type="button" data-reason="{reason}" aria-pressed="{str(reason in earlier.get("reasons", ())).lower()}">'
        f"{_text(words(f'annotate_reason_{reason}'))} {_key(key)}</button>"
        for reason, key in zip(REASONS, REASON_KEYS, strict=True)
    )
    chosen = earlier.get("caption_language") or (known[0] if known else "")
    codes = list(dict.fromkeys([*([chosen] if chosen else []), *known]))
    options = "".join(
        f'<option value="{_text(code)}"{" selected" * (code == chosen)}>{_text(language_name(code))}</option>' for code in codes
    )
    return (
        f'<div class="annotate-reasons" role="group" aria-label="{_text(words("annotate_reasons"))}">'
        f'<span class="hint">{_text(words("annotate_reasons"))}</span> {reasons}</div>'
        f'<div class="annotate-words"><label><span>{_text(words("annotate_caption"))} {_key("C")}</span>'
        f'<textarea name="caption" rows="1" maxlength="2000" dir="auto">{_text(earlier.get("caption") or "")}</textarea></label>'
        f'<label><span>{_text(words("annotate_caption_language"))}</span>'
        f'<select name="caption_language">{options}</select></label>'
        f"<label><span>{_text(words('annotate_comment'))} {_key('N')}</span>"
        f'<input name="comment" maxlength="2000" dir="auto" value="{_text(earlier.get("comment") or "")}"></label></div>'
    )


def _statistics(mine: AnnotatorStatistics, words: Wording) -> str:
    answered = mine.judgements + mine.preferences
    told = words("annotate_statistics", answers=answered, captions=mine.captions, skips=mine.skips)
    seconds = mine.median_seconds
    return told if seconds is None else f"{told} · {words('annotate_seconds', seconds=f'{seconds:.1f}')}"


def _said(event: Judgement | Preference, words: Wording) -> str:
    if isinstance(event, Judgement):
        return words("annotate_partly" if event.label == "partly" else event.label)
    side = event.choice if event.choice in SIDES else ("left" if event.choice == event.left else "right")
    return words(f"annotate_{side}")


def _told(event: Event, words: Wording) -> str:
    if isinstance(event, Judgement | Preference):
        return f"{event.query_text or '♪'} → {_said(event, words)}"
    if isinstance(event, Caption):
        return f"{event.caption} ({event.caption_language})"
    if isinstance(event, Adjudication):
        return f"{event.query_text or '♪'} → {event.label}"
    return event.judgement_id[:8] if isinstance(event, Undo) else ""


def _chosen(codes: Sequence[str], words: Wording) -> str:
    return ", ".join(_language(code) for code in codes) or _text(words("annotate_any"))


def language_name(code: str) -> str:
    """Return a language's name for itself."""
    return language_codes.describe(code).autonym


def _language(code: str) -> str:
    return f'<bdi lang="{_text(code)}">{_text(language_name(code))}</bdi>'


def _around(sentence: str, name: str) -> str:
    """Return a sentence whose place ``\\0`` is filled with somebody's name, set apart from its direction."""
    return _text(sentence).replace("\0", f"<bdi>{_text(name)}</bdi>")


def _key(key: str) -> str:
    return f'<kbd aria-hidden="true">{key}</kbd>'


def _text(value: object) -> str:
    return escape(str(value), quote=True)
