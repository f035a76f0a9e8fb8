"""The Annotate tab as HTML; everything that is not ours is escaped. Knows no Gradio."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from cacara import languages as language_codes
from cacara.errors import LanguageError
from feedback_db import Adjudication, Caption, Judgement, Preference, Undo

if TYPE_CHECKING:
    from feedback_db import AnnotatorStatistics, Campaign, Event, Progress
    from ui.page.wording import Wording

SIDES = ("left", "right", "both", "neither")
EVENTS_SHOWN = 200
MARKDOWN_HEADINGS = {"h1": "h4", "h2": "h5", "h3": "h6"}

# What the script says itself; each is put beside the frame as data.
_SPOKEN = ("broken", "saved", "annotate_copied", "annotate_working", "annotate_saved_next")


def shell(words: Wording) -> str:
    """Return the tab's frame; ``annotate.js`` fills it."""
    spoken = "".join(f' data-{key.replace("_", "-")}="{plain(words(key))}"' for key in _SPOKEN)
    return (
        f'<div class="annotate" lang="{plain(words.code)}" dir="{words.direction}" '
        f'data-interface="{plain(words.code)}"{spoken}>'
        '<p class="annotate-told" role="status" aria-live="polite"></p><div class="annotate-page"></div></div>'
    )


def sign_in(words: Wording) -> str:
    """Return the page on which somebody takes a name, or shows the token of the one they have."""
    return (
        f'<section class="annotate-sign"><p class="annotate-lead">{plain(words("annotate_intro"))}</p>'
        f'<form data-form="register"><label><span>{plain(words("annotate_name"))}</span>'
        '<input name="name" required maxlength="100" autocomplete="nickname" dir="auto"></label>'
        f'<p class="hint">{plain(words("annotate_name_hint"))}</p>'
        f'<label class="tick"><input type="checkbox" name="agreed" required> {plain(words("annotate_consent"))}</label>'
        f'<button class="primary">{plain(words("annotate_begin"))}</button></form>'
        f"<details><summary>{plain(words('annotate_have_token'))}</summary>"
        f'<form data-form="token"><label><span>{plain(words("annotate_token"))}</span>'
        '<input name="token" type="password" required maxlength="200" '
        'autocomplete="current-password" dir="ltr"></label>'
        f"<button>{plain(words('annotate_use_token'))}</button></form></details></section>"
    )


def registered(name: str, token: str, words: Wording) -> str:
    """Return the page that shows a new token, once."""
    told = _around(words("annotate_token_told", name="\0"), name)
    return (
        f'<section class="annotate-sign"><h2>{_around(words("annotate_signed_in", name=chr(0)), name)}</h2>'
        f'<p>{told}</p><p class="annotate-token"><code dir="ltr">{plain(token)}</code> '
        f"{button('copy-token', words('annotate_copy'))}</p>"
        f"{button('campaigns', words('annotate_go_on'), style='primary')}</section>"
    )


def campaigns(name: str, found: Sequence[tuple[Campaign, Progress, int]], may_start: bool, words: Wording) -> str:
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
            f"<p>{plain(words('annotate_examples_told'))}</p>"
            f'<button type="button" class="primary" data-action="examples">{plain(words("annotate_examples"))}</button>'
        )
    else:
        none = f"<p>{plain(words('annotate_wait_lead'))}</p>"
    listed = f'<ul class="annotate-list">{cards}</ul>{none}'
    return f"{_me(name, words)}<section><h2>{plain(words(title))}</h2>{listed}</section>"


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
        f'<label><input type="checkbox" name="languages" value="{plain(code)}"{" checked" * (code in chosen)}> '
        f"{language(code)}</label>"
        for code in campaign.languages
    )
    pick = (
        f"<details><summary>{plain(words('annotate_languages'))}: {_chosen(chosen, words)}</summary>"
        f'<div class="annotate-boxes">{languages}</div>'
        f'<p class="hint">{plain(words("annotate_any_language"))}</p></details>'
        if languages
        else ""
    )
    guide = (
        f'<details class="annotate-guide"{" open" * (not mine.judgements and not mine.preferences)}>'
        f"<summary>{plain(words('annotate_guidelines'))}</summary>"
        f'<div class="annotate-text" dir="auto">{guidelines(campaign.guidelines)}</div></details>'
        if campaign.guidelines.strip()
        else ""
    )
    share = min(1.0, progress.answers / progress.wanted) if progress.wanted else 0.0
    told = plain(words("annotate_progress", done=progress.answers, wanted=progress.wanted))
    return (
        f'<div class="annotate-desk" data-campaign="{plain(campaign.campaign_id)}">'
        f'<header><p class="annotate-bar"><button type="button" class="link" data-action="campaigns">'
        f"{plain(words('annotate_campaigns'))}</button> "
        f'<button type="button" class="link" data-action="share">{plain(words("annotate_link"))}</button> '
        f'<button type="button" class="link" data-action="mine">{plain(words("annotate_mine"))}</button></p>'
        f'<h2 dir="auto">{plain(campaign.name)}</h2>'
        f'<progress value="{share:.4f}" aria-label="{told}"></progress>'
        f'<p class="hint">{told} · {plain(_statistics(mine, words))}</p></header>'
        f'{body}<footer class="annotate-foot">{guide}{pick}'
        f'<details class="annotate-keys"><summary>{plain(words("annotate_keys"))}</summary>'
        f"<p>{plain(words('annotate_keys_told'))}</p></details>"
        f'<details class="annotate-recent"><summary data-action="recent">{plain(words("annotate_recent"))}</summary>'
        "<div></div></details></footer></div>"
    )


def recent(events: Sequence[Judgement | Preference], words: Wording) -> str:
    """Return a person's latest answers, each with a button to change it."""
    rows = "".join(
        f'<li><span dir="auto">{plain(event.query_text or "♪")}</span> · <b>{plain(_said(event, words))}</b> '
        f'<button type="button" class="link" data-action="again" data-item="{plain(event.item_id)}">'
        f"{plain(words('annotate_edit'))}</button></li>"
        for event in events
    )
    return f'<ul class="annotate-latest">{rows}</ul>'


def mine(name: str, events: Sequence[Event], recordings: int, words: Wording) -> str:
    """Return the page on which somebody lists, takes away and deletes what is theirs."""
    rows = "".join(
        f'<tr><td dir="ltr">{plain(event.created_utc[:16].replace("T", " "))}</td>'
        f"<td>{plain(words(f'annotate_kind_{type(event).__name__.lower()}'))}</td>"
        f'<td dir="auto">{plain(_told(event, words))}</td></tr>'
        for event in list(reversed(events))[:EVENTS_SHOWN]
    )
    told = plain(words("annotate_mine_told", events=len(events), recordings=recordings))
    heads = "".join(f"<th>{plain(words(key))}</th>" for key in ("annotate_when", "annotate_kind", "annotate_what"))
    return (
        f'{_me(name, words)}<section class="annotate-mine"><h2>{plain(words("annotate_mine"))}</h2><p>{told}</p>'
        f'<p><button type="button" data-action="download">{plain(words("annotate_download"))}</button> '
        f'<button type="button" class="link" data-action="campaigns">{plain(words("annotate_back"))}</button></p>'
        f'<div class="annotate-scroll" tabindex="0" role="region" aria-label="{plain(words("annotate_mine"))}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<form data-form="forget"><label><span>{plain(words("annotate_delete_confirm"))}</span>'
        '<input name="name" required autocomplete="off" dir="auto"></label>'
        f'<button class="danger">{plain(words("annotate_delete"))}</button></form></section>'
    )


def deleted(events: int, recordings: int, words: Wording) -> str:
    """Return what was deleted."""
    return f'<p class="note">{plain(words("annotate_deleted", events=events, recordings=recordings))}</p>'


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
        f'<button type="button" class="link" data-action="mine">{plain(words("annotate_mine"))}</button> '
        f'<button type="button" class="link" data-action="leave">{plain(words("annotate_sign_out"))}</button></p>'
    )


def _campaign(campaign: Campaign, progress: Progress, mine: int, words: Wording) -> str:
    spoken = ", ".join(language(code) for code in campaign.languages) or plain(words("annotate_any"))
    share = min(1.0, progress.answers / progress.wanted) if progress.wanted else 0.0
    told = plain(words("annotate_progress", done=progress.answers, wanted=progress.wanted))
    return (
        f'<li><h3 dir="auto">{plain(campaign.name)}</h3><progress value="{share:.4f}" aria-label="{told}"></progress>'
        f'<p class="hint">{told} · {plain(words("annotate_mine_count", count=mine))}</p><p class="hint">{spoken}</p>'
        f'<button type="button" class="primary" data-action="open" data-campaign="{plain(campaign.campaign_id)}">'
        f'{plain(words("annotate_open"))}<span class="unseen">: {plain(campaign.name)}</span></button></li>'
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
    return ", ".join(language(code) for code in codes) or plain(words("annotate_any"))


def language_name(code: str) -> str:
    """Return a language's name for itself; its code where that names no single language."""
    try:
        return language_codes.describe(code).autonym
    except LanguageError:
        return code


def language(code: str) -> str:
    """Return a language's name for itself as HTML, marked as being in that language."""
    return f'<bdi lang="{plain(code)}">{plain(language_name(code))}</bdi>'


def _around(sentence: str, name: str) -> str:
    """Return a sentence whose place, a NUL, is filled with somebody's name, set apart from its direction."""
    return plain(sentence).replace("\0", f"<bdi>{plain(name)}</bdi>")


def key(sign: str) -> str:
    """Return a key as HTML, for eyes alone."""
    return f'<kbd aria-hidden="true">{sign}</kbd>'


def button(action: str, text: str, pressed: str = "", style: str = "") -> str:
    """Return a button that the script answers to, with the key that does the same."""
    looks = f' class="{style}"' if style else ""
    told = f" {key(pressed)}" if pressed else ""
    return f'<button type="button"{looks} data-action="{action}">{plain(text)}{told}</button>'


def plain(value: object) -> str:
    """Return any text as HTML that shows it as it is."""
    return escape(str(value), quote=True)
