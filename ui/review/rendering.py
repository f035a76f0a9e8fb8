"""The Review tab as HTML; everything that is not ours is escaped. Knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feedback_db import LABELS, Adjudication, Campaign, Caption, Deletion, Judgement, Preference
from feedback_db.records.campaigns import ORDERS
from feedback_db.records.review import STATES
from ui.annotate.rendering import button, language, plain
from ui.review.routes import FORMATS, MOST_BAD_ROWS
from ui.server.media import picture_url, sound_url

if TYPE_CHECKING:
    from feedback_db import AnnotatorStatistics, Event, Pair, Progress, ReviewRow
    from ui.page.wording import Wording
    from ui.review.agreement import Agreement

SECTIONS = ("campaigns", "judgements", "disagreements", "agreement", "progress", "data", "changes")
MOST_PAIRS = 100

# What the script says itself; each is put beside the frame as data.
_SPOKEN = (
    "broken", "saved", "review_adding", "review_added", "review_problem_line", "review_plots_failed", "review_stopped",
    "review_plot_languages", "review_plot_seconds", "review_plot_days", "review_done", "review_left",
    "annotate_working",
)  # fmt: skip


def shell(words: Wording) -> str:
    """Return the tab's frame; ``review.js`` fills it."""
    spoken = "".join(f' data-{key.replace("_", "-")}="{plain(words(key))}"' for key in _SPOKEN)
    tabs = "".join(
        f'<button type="button" data-section="{name}" aria-pressed="false">{plain(words(f"review_{name}"))}</button>'
        for name in SECTIONS
    )
    return (
        f'<div class="review" lang="{plain(words.code)}" dir="{words.direction}" '
        f'data-interface="{plain(words.code)}"{spoken}><p class="review-lead">{plain(words("review_intro"))}</p>'
        f'<nav class="review-nav" aria-label="{plain(words("review"))}">{tabs}</nav>'
        '<p class="review-told" role="status" aria-live="polite"></p><div class="review-page"></div></div>'
    )


def locked(words: Wording) -> str:
    """Return the page that asks for the admin token."""
    return (
        f'<form data-form="enter" class="review-form"><p>{plain(words("review_locked"))}</p>'
        f"<label><span>{plain(words('review_token'))}</span>"
        '<input name="admin" type="password" required maxlength="500" '
        'autocomplete="current-password" dir="ltr"></label>'
        f'<button class="primary">{plain(words("review_enter"))}</button></form>'
    )


def page(content: str, found: Sequence[Campaign], chosen: str, words: Wording) -> str:
    """Return one section below the choice of the campaign that it is about."""
    options = "".join(
        f'<option value="{plain(each.campaign_id)}"{" selected" * (each.campaign_id == chosen)}>'
        f"{plain(each.name)}</option>"
        for each in found
    )
    return (
        f'<p class="review-about"><label><span>{plain(words("review_campaign"))}</span><select name="campaign">'
        f'<option value="">{plain(words("review_all"))}</option>{options}</select></label> '
        f"<label><span>{plain(words('annotate_name'))}</span>"
        f'<input name="lead" maxlength="100" dir="auto" autocomplete="nickname"></label></p>{content}'
    )


def campaigns(found: Sequence[tuple[Campaign, Progress]], words: Wording) -> str:
    """Return the list of campaigns with what can be done to each."""
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{plain(each.name)}</th>'
        f"<td>{', '.join(language(code) for code in each.languages) or plain(words('annotate_any'))}</td>"
        f"<td>{plain(words('review_questions', items=progress.items, checks=progress.checks))}</td>"
        f"<td>{plain(words('annotate_progress', done=progress.answers, wanted=progress.wanted))}</td>"
        f"<td>{plain(words('yes' if each.open else 'no'))}</td>"
        f'<td><button type="button" class="link" data-action="edit" data-campaign="{plain(each.campaign_id)}">'
        f'{plain(words("review_edit"))}<span class="unseen"> {plain(each.name)}</span></button></td></tr>'
        for each, progress in reversed(found)
    )
    heads = ("review_name", "languages", "review_items", "annotate_kind_judgement", "review_open")
    return _table(heads, rows, words, last=True) + f"<p>{button('new', words('review_new'), style='primary')}</p>"


def campaign_form(campaign: Campaign | None, models: Sequence[tuple[str, str]], words: Wording) -> str:
    """Return the form of a campaign, new or to be changed, and for the latter what adds questions to it."""
    made = campaign or Campaign(name="-", created_by="-")
    orders = "".join(
        f'<option value="{order}"{" selected" * (order == made.order)}>{plain(words(f"review_order_{order}"))}</option>'
        for order in ORDERS
    )
    number = '<input name="{0}" type="number" min="{1}" max="{2}" value="{3}" required>'
    fields = (
        _field(
            "review_name",
            '<input name="name" required maxlength="200" dir="auto" '
            f'value="{plain(campaign.name if campaign else "")}">',
            words,
        )
        + _field(
            "review_guidelines",
            f'<textarea name="guidelines" rows="6" maxlength="20000" dir="auto">\n{plain(made.guidelines)}</textarea>',
            words,
        )
        + _field(
            "review_codes", f'<input name="languages" dir="ltr" value="{plain(", ".join(made.languages))}">', words
        )
        + '<div class="review-row">'
        + _field("review_wanted", number.format("wanted_judgements", 1, 100, made.wanted_judgements), words)
        + _field("review_order", f'<select name="order">{orders}</select>', words)
        + _field("review_check_every", number.format("check_every", 0, 1000, made.check_every), words)
        + "</div>"
        + f'<label class="tick"><input type="checkbox" name="open"{" checked" * made.open}> '
        + f"{plain(words('review_open'))}</label>"
    )
    campaign_id = plain(campaign.campaign_id) if campaign else ""
    form = (
        f'<form data-form="campaign" data-campaign="{campaign_id}" class="review-form">'
        f"<h3>{plain(words('review_edit' if campaign else 'review_new'))}</h3>{fields}"
        f'<p><button class="primary">{plain(words("review_save"))}</button> '
        f"{button('campaigns', words('annotate_back'), style='link')}</p></form>"
    )
    return form + (_questions(campaign_id, models, words) if campaign else "")


def judgements(
    rows: Sequence[ReviewRow], total: int, offset: int, filters: Mapping[str, str], people: Sequence[str],
    languages: Sequence[str], words: Wording,
) -> str:  # fmt: skip
    """Return a page of all judgements with the filters above; each sound can be heard beside.

    Args:
        rows: The rows of this page.
        total: How many there are in all.
        offset: How many come before this page.
        filters: What is chosen now, by the names of the fields.
        people: Annotators to choose from.
        languages: BCP-47 codes to choose from.
        words: The interface's language.
    """
    labels = [(label, _label(label, words)) for label in LABELS]
    states = [(state, words(f"review_state_{state}")) for state in STATES]
    form = (
        '<form data-form="filter" class="review-row review-filter">'
        + _field("review_person", _select("annotator", [(name, name) for name in people], filters, words), words)
        + _field("language", _select("language", [(code, code) for code in languages], filters, words), words)
        + _field("review_label", _select("label", labels, filters, words), words)
        + _field("review_state", _select("state", states, filters, words), words)
        + _field(
            "review_text",
            f'<input name="text" type="search" dir="auto" value="{plain(filters.get("text", ""))}">',
            words,
        )
        + f"<button>{plain(words('review_filter'))}</button></form>"
    )
    body = "".join(_judgement(row, words) for row in rows)
    heads = ("annotate_when", "review_person", "review_query", "review_clip", "review_label", "review_notes")
    last = offset + len(rows)
    turn = "".join(
        f'<button type="button" data-action="page" data-offset="{to}">{plain(words(key))}</button> '
        for key, to, there in (
            ("review_newer", max(0, offset - max(len(rows), 1)), offset > 0),
            ("review_older", last, last < total),
        )
        if there
    )
    told = plain(words("review_shown", first=offset + 1 if rows else 0, last=last, total=total))
    return f"{form}{_table((*heads, 'review_state'), body, words)}<p>{told} {turn}</p>"


def disagreements(pairs: Sequence[Pair], words: Wording) -> str:
    """Return the pairs that people saw differently, each with its sound and the buttons of the last word."""
    if not pairs:
        return f'<p class="note">{plain(words("review_none_differ"))}</p>'
    cards = ""
    for pair in pairs[:MOST_PAIRS]:
        said = "".join(
            f"<li><bdi>{plain(name)}</bdi>: <b>{plain(_label(label, words))}</b></li>"
            for name, label in pair.labels.items()
        )
        buttons = "".join(
            f'<button type="button" data-action="decide" data-label="{label}" '
            f'aria-pressed="{str(label == pair.adjudicated).lower()}">{plain(_label(label, words))}</button>'
            for label in LABELS
        )
        spoken = f" · {language(pair.language)}" if pair.language else ""
        cards += (
            f'<li data-pair="{plain(pair.pair_id)}"><h3 dir="auto">{plain(pair.query_text or "♪")}</h3>'
            f'<p class="hint"><bdi>{plain(pair.clip_id)}</bdi>{spoken}</p>{_clip(pair.clip_id, pair.clip_kind)}'
            f'<ul class="review-said">{said}</ul><div class="review-decide" role="group" '
            f'aria-label="{plain(words("review_decide"))}"><span class="hint">{plain(words("review_decide"))}</span> '
            f"{buttons}</div><label><span>{plain(words('review_note'))}</span>"
            '<input name="note" maxlength="2000" dir="auto"></label></li>'
        )
    return f'<ul class="review-pairs">{cards}</ul>'


def agreements(
    languages: Sequence[Agreement],
    people: Sequence[Agreement],
    statistics: Mapping[str, AnnotatorStatistics],
    words: Wording,
) -> str:
    """Return how far people agree, by language and by person, with what else is known of each person."""
    rows = "".join(
        f'<tr><th scope="row">{language(each.name) if each.name else plain(words("review_all"))}</th>'
        f"<td>{each.pairs}</td><td>{each.people}</td><td>{_alpha(each.alpha)}</td></tr>"
        for each in languages
    )
    by_language = _table(("language", "review_pairs", "review_people", "review_alpha"), rows, words)
    alphas = {each.name: each for each in people}
    rows = ""
    for name, told in statistics.items():
        own = alphas.get(name)
        checks = f"{told.checks_right}/{told.checks}" if told.checks else "–"
        seconds = "–" if told.median_seconds is None else f"{told.median_seconds:.1f}"
        rows += (
            f'<tr><th scope="row"><bdi>{plain(name)}</bdi></th><td>{told.judgements + told.preferences}</td>'
            f"<td>{own.pairs if own else 0}</td><td>{_alpha(own.alpha if own else None)}</td>"
            f"<td>{checks}</td><td>{seconds}</td></tr>"
        )
    heads = ("review_person", "review_answers", "review_pairs", "review_alpha", "review_checks_right", "review_median")
    return f"<p>{plain(words('review_alpha_told'))}</p>{by_language}{_table(heads, rows, words)}"


def progress(told: Progress | None, words: Wording) -> str:
    """Return how far a campaign is in words, and the places of the pictures."""
    sentence = (
        ""
        if told is None
        else f"<p>{plain(words('annotate_progress', done=told.answers, wanted=told.wanted))} · "
        f"{plain(words('review_around', people=told.annotators, held=told.leased, skips=told.skips))}</p>"
    )
    plots = "".join(
        f'<div class="review-plot" dir="ltr" data-plot="{name}" role="img" '
        f'aria-label="{plain(words(f"review_plot_{name}"))}">'
        "</div>"
        for name in ("languages", "seconds", "days")
    )
    return f'{sentence}<div class="review-plots">{plots}</div>'


def data(words: Wording) -> str:
    """Return the forms of export and import."""
    formats = "".join(f'<option value="{form}">{form.upper()}</option>' for form in FORMATS)
    which = "".join(
        f'<option value="{name}">{plain(words(f"review_export_{name}"))}</option>' for name in ("current", "all")
    )
    return (
        '<div class="review-data"><form data-form="export" class="review-form">'
        f"<h3>{plain(words('review_export'))}</h3>"
        + _field("review_format", f'<select name="format">{formats}</select>', words)
        + _field("review_what", f'<select name="which">{which}</select>', words)
        + f'<label class="tick"><input type="checkbox" name="anonymous"> {plain(words("review_anonymous"))}</label>'
        f'<button class="primary">{plain(words("review_download"))}</button></form>'
        f'<form data-form="import" class="review-form"><h3>{plain(words("review_import"))}</h3>'
        + _field("review_file", '<input name="file" type="file" accept=".jsonl,.csv,.parquet" required>', words)
        + f'<label class="tick"><input type="checkbox" name="skip_bad"> {plain(words("review_skip_bad"))}</label>'
        f'<button class="primary">{plain(words("review_import"))}</button>'
        '<div class="review-imported" aria-live="polite"></div></form></div>'
    )


def imported(new: int, known: int, problems: Sequence[tuple[int, str]], words: Wording) -> str:
    """Return what an import did, with each bad row by its line."""
    told = words("review_imported", new=new, known=known) if new or known or not problems else words("review_nothing")
    rows = "".join(
        f"<li>{plain(words('review_problem_line', line=line, problem=problem))}</li>"
        for line, problem in problems[:MOST_BAD_ROWS]
    )
    more = f'<ol class="review-bad" dir="auto">{rows}</ol>' if rows else ""
    count = f"<p>{plain(words('review_bad_rows', count=len(problems)))}</p>" if problems else ""
    return f'<p class="note">{plain(told)}</p>{count}{more}'


def changes(found: Sequence[Event | Campaign], words: Wording) -> str:
    """Return who did what, the newest first."""
    rows = "".join(
        f'<tr><td dir="ltr">{plain(_when(each.created_utc))}</td><td><bdi>{plain(_who(each))}</bdi></td>'
        f"<td>{plain(words(f'review_kind_{type(each).__name__.lower()}'))}</td>"
        f'<td dir="auto">{plain(_did(each, words))}</td></tr>'
        for each in found
    )
    return _table(("annotate_when", "review_person", "annotate_kind", "annotate_what"), rows, words)


def _questions(campaign_id: str, models: Sequence[tuple[str, str]], words: Wording) -> str:
    rivals = "".join(f'<option value="{plain(model)}">{plain(name)}</option>' for model, name in models)
    rival = _field(
        "review_rival",
        f'<select name="rival"><option value="">{plain(words("review_rival_none"))}</option>{rivals}</select>',
        words,
    )
    return (
        f'<form data-form="queries" data-campaign="{campaign_id}" class="review-form">'
        f"<h3>{plain(words('review_queries'))}</h3>"
        + _field("review_queries_hint", '<textarea name="queries" rows="6" required dir="auto"></textarea>', words)
        + '<div class="review-row">'
        + _field("review_top_k", '<input name="top_k" type="number" min="1" max="20" value="5" required>', words)
        + rival
        + f'</div><p><button class="primary">{plain(words("review_add"))}</button> '
        f'{button("stop", words("review_stop"))}</p><ol class="review-bad" dir="auto"></ol></form>'
        f'<form data-form="checks" data-campaign="{campaign_id}" class="review-form">'
        + _field("review_checks", '<input name="number" type="number" min="1" max="50" value="2" required>', words)
        + f"<button>{plain(words('review_add_checks'))}</button></form>"
    )


def _judgement(row: ReviewRow, words: Wording) -> str:
    said = row.judgement
    notes = ", ".join(_reason(reason, words) for reason in said.reasons)
    comment = f'<p dir="auto">{plain(said.comment)}</p>' if said.comment else ""
    state = words(f"review_state_{row.state}")
    if row.known_label is not None:
        state += f" · {words('review_check', right=words('yes' if row.known_label == said.label else 'no'))}"
    if row.adjudicated is not None:
        state += f" · {words('review_decided', label=_label(row.adjudicated, words))}"
    spoken = f" · {language(said.language)}" if said.language else ""
    seconds = "" if said.seconds_taken is None else f" · {said.seconds_taken:.1f} s"
    return (
        f'<tr><td dir="ltr">{plain(_when(said.created_utc))}{seconds}</td><td><bdi>{plain(said.annotator)}</bdi></td>'
        f'<td><span dir="auto">{plain(said.query_text or "♪")}</span>{spoken}</td>'
        f"<td><bdi>{plain(said.clip_id)}</bdi>{_clip(said.clip_id, said.clip_kind)}</td>"
        f"<td><b>{plain(_label(said.label, words))}</b></td>"
        f"<td>{plain(notes)}{comment}</td><td>{plain(state)}</td></tr>"
    )


def _clip(clip_id: str, kind: str) -> str:
    if kind == "picture":
        return f'<img src="{plain(picture_url(clip_id))}" alt="" loading="lazy">'
    return f'<audio controls preload="none" src="{plain(sound_url(clip_id))}" aria-label="{plain(clip_id)}"></audio>'


def _who(each: Event | Campaign) -> str:
    if isinstance(each, Deletion):
        return "–"
    return each.created_by if isinstance(each, Campaign) else each.annotator


def _did(each: Event | Campaign, words: Wording) -> str:
    if isinstance(each, Campaign):
        return each.name
    if isinstance(each, Judgement | Adjudication):
        return f"{each.query_text or '♪'} · {each.clip_id} → {_label(each.label, words)}"
    if isinstance(each, Caption):
        return f"{each.clip_id} → {each.caption} ({each.caption_language})"
    if isinstance(each, Preference):
        better = {"first": each.first_model, "second": each.second_model}
        named = better.get(each.choice) or words(f"annotate_{each.choice}")
        return f"{each.query_text or '♪'} · {each.first_model} / {each.second_model} → {named}"
    return str(len(each.event_ids)) if isinstance(each, Deletion) else each.judgement_id[:8]


def _label(label: str, words: Wording) -> str:
    return words("annotate_partly" if label == "partly" else label)


def _reason(reason: str, words: Wording) -> str:
    return words.table.get(f"annotate_reason_{reason}", reason)


def _alpha(alpha: float | None) -> str:
    return "–" if alpha is None else f"{alpha:.2f}"


def _when(time: str) -> str:
    return time[:16].replace("T", " ")


def _field(key: str, control: str, words: Wording) -> str:
    return f"<label><span>{plain(words(key))}</span>{control}</label>"


def _select(name: str, choices: Sequence[tuple[str, str]], filters: Mapping[str, Any], words: Wording) -> str:
    chosen = filters.get(name, "")
    options = "".join(
        f'<option value="{plain(value)}"{" selected" * (value == chosen)}>{plain(text)}</option>'
        for value, text in choices
    )
    return f'<select name="{name}"><option value="">{plain(words("review_all"))}</option>{options}</select>'


def _table(heads: Sequence[str], rows: str, words: Wording, last: bool = False) -> str:
    if not rows:
        return f'<p class="note">{plain(words("review_none"))}</p>'
    titles = "".join(f'<th scope="col">{plain(words(head))}</th>' for head in heads) + "<td></td>" * last
    region = plain(words("review"))
    return (
        f'<div class="review-scroll" tabindex="0" role="region" aria-label="{region}">'
        f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
