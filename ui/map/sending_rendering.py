"""The form that sends a selection of the map to a campaign, as HTML; everything that is not ours is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ui.annotate.rendering import plain
from ui.page.templates import language_name

ISOLATED = "\u2068{}\u2069"
"""Sets a name apart from the direction of what is around it, where no element can: within an option."""

if TYPE_CHECKING:
    from feedback_db import Campaign
    from ui.page.wording import Wording


def locked(enter: bool, words: Wording) -> str:
    """Return why nothing can be sent, with a field for the admin token if this server has one."""
    why = f"<p>{plain(words('map_send_locked'))}</p>"
    if not enter:
        return f'<div class="map-send">{why}{_close(words)}</div>'
    return (
        f'<form class="map-send map-enter">{why}<label><span>{plain(words("review_token"))}</span>'
        '<input name="admin" type="password" required maxlength="500" autocomplete="current-password" dir="ltr">'
        f'</label><p class="map-send-end"><button class="map-primary">{plain(words("review_enter"))}</button> '
        f"{_close(words)}</p></form>"
    )


def form(
    campaigns: Sequence[Campaign],
    asked: tuple[str, str],
    languages: Sequence[str],
    texts: int,
    clips: int,
    most: int,
    words: Wording,
) -> str:
    """Return the form: which campaign, and what is asked of the selected sounds and pictures.

    Args:
        campaigns: The open ones, the newest first.
        asked: The words to begin with and their language, each of which may be empty.
        languages: The codes to choose from; the words' own is added.
        texts: How many texts are selected.
        clips: How many sounds and pictures are.
        most: How many questions are added at once.
        words: The interface's language.
    """
    options = "".join(
        f'<option value="{plain(each.campaign_id)}">{ISOLATED.format(plain(each.name))}</option>' for each in campaigns
    )
    limit = (
        f'<p class="map-hint">{plain(words("map_send_limit", most=most))}</p>' if max(texts, 1) * clips > most else ""
    )
    return (
        f'<form class="map-send map-fill"><h3>{plain(words("map_send"))}</h3>'
        f'<div class="map-send-row"><label><span>{plain(words("review_campaign"))}</span><select name="campaign">'
        f'<option value="">{plain(words("review_new"))}</option>{options}</select></label>'
        f'<label class="map-send-name"><span>{plain(words("map_send_name"))}</span>'
        '<input type="text" name="campaign_name" maxlength="200" dir="auto" autocomplete="off" required></label></div>'
        f"{_asks(asked, languages, texts, clips, words)}{limit}"
        f'<p class="map-send-end"><button class="map-primary">{plain(words("map_send_button"))}</button> '
        f'{_close(words)}</p><div class="map-sent" role="status"></div></form>'
    )


def sent(told: Mapping[str, Any], words: Wording) -> str:
    """Return how many questions were added, what was not, and the campaign's link."""
    added = plain(words("map_send_added", count=told["added"], name="\0"))
    name = f"<bdi>{plain(told['name'])}</bdi>"
    lines = [f"<p><b>{added.replace(chr(0), name)}</b></p>"]
    for part in ("known", "waiting", "left_out"):
        if told[part]:
            lines.append(f"<p>{plain(words(f'map_send_{part}', count=told[part]))}</p>")
    link = plain(f"?{urlencode({'campaign': told['campaign_id']})}")
    return f'{"".join(lines)}<p><a href="{link}" target="_blank" rel="noopener">{plain(words("map_send_link"))}</a></p>'


def _asks(asked: tuple[str, str], languages: Sequence[str], texts: int, clips: int, words: Wording) -> str:
    """Return the words that are asked for and, where texts are selected too, the choice to ask with those."""
    text, spoken = asked
    codes = list(dict.fromkeys([*([spoken] if spoken else []), *languages]))
    options = f'<option value="auto">{plain(words("detect"))}</option>' + "".join(
        f'<option value="{plain(code)}"{" selected" * (code == spoken)}>{plain(language_name(code))}</option>'
        for code in codes
    )
    fields = (
        f'<div class="map-send-row map-send-words"><label><span>{plain(words("map_judge"))}</span>'
        '<input type="text" name="asked" maxlength="2000" dir="auto" autocomplete="off" required '
        f'value="{plain(text)}"></label><label><span>{plain(words("language"))}</span>'
        f'<select name="asked_language">{options}</select></label></div>'
    )
    if not texts:
        return fields
    choices = "".join(
        f'<label class="tick"><input type="radio" name="ask" value="{value}"{" checked" * (value == "words")}> '
        f"{plain(told)}</label>"
        for value, told in (
            ("words", words("map_send_by_words")),
            ("texts", words("map_send_by_texts", texts=texts, clips=clips, pairs=texts * clips)),
        )
    )
    return f"<fieldset><legend>{plain(words('map_send_what'))}</legend>{choices}</fieldset>{fields}"


def _close(words: Wording) -> str:
    return f'<button type="button" class="link" data-action="close-sending">{plain(words("map_send_close"))}</button>'
