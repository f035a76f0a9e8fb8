"""The map's frame, its lists and its figures as HTML; everything that is not ours is escaped. Knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from cacara import languages as language_codes
from ui.server.media import picture_url, sound_url

if TYPE_CHECKING:
    from cacara.search.manifest import Clip
    from ui.page.wording import Wording

LABELS = ("relevant", "not_relevant", "unsure")
ROWS_SHOWN = 200
"""How many selected points the table shows; the export has them all."""

COLOURS = ("kind", "language", "concept", "source")

# What the script says itself; each is put beside the frame as data.
_SPOKEN = (
    "map_text", "map_audio", "map_image", "map_found", "map_found_none", "map_select_found", "map_your_query",
    "map_no_concept", "map_repeats", "map_failed_script", "broken", "undone",
)  # fmt: skip


def question(words: Wording) -> str:
    """Return what the map is, and the form that asks where words fall on it; the microphone follows."""
    return (
        f'<div class="map-question mapped" lang="{_text(words.code)}" dir="{words.direction}">'
        f'<p class="map-intro">{_text(words("map_intro"))}</p>{_ask(words)}</div>'
    )


def shell(words: Wording) -> str:
    """Return the tab's frame; ``map.js`` fills it."""
    spoken = "".join(f' data-{key.replace("_", "-")}="{_text(words(key))}"' for key in _SPOKEN)
    return (
        f'<div class="map mapped" lang="{_text(words.code)}" dir="{words.direction}" '
        f'data-interface="{_text(words.code)}"{spoken}>'
        f"{_bar(words)}"
        '<div class="map-state" role="status" aria-live="polite"></div>'
        f'<div class="map-body"><div class="map-sheet">{_tools(words)}'
        f'<div class="map-plot" dir="ltr" role="img" aria-label="{_text(words("map_plot"))}"></div>'
        '<div class="map-hover" hidden></div><p class="map-legend-note"></p></div>'
        f'<aside class="map-side" aria-live="polite" aria-label="{_text(words("map_near"))}">'
        f'<p class="map-hint">{_text(words("map_hint"))}</p></aside></div>'
        '<section class="map-selection" hidden></section><section class="map-measures"></section></div>'
    )


def progress(told: str, fraction: float | None, words: Wording) -> str:
    """Return how far a map is, with the button that stops it."""
    value = "" if fraction is None else f' value="{fraction:.3f}"'
    title = _text(words("map_fitting"))
    return (
        f'<div class="preparation"><p>{title}</p><progress{value} aria-label="{title}"></progress>'
        f'<p class="step">{_text(told)}</p>'
        f'<button type="button" data-action="stop">{_text(words("map_stop"))}</button></div>'
    )


def ended(message: str, words: Wording) -> str:
    """Return why there is no map, with the button that begins it again."""
    return (
        f'<div class="problem" role="alert"><p dir="auto">{_text(message)}</p>'
        f'<button type="button" data-action="draw">{_text(words("map_draw"))}</button></div>'
    )


def waiting(message: str) -> str:
    """Return that the model is still being prepared."""
    return f'<p class="note" dir="auto">{_text(message)}</p>'


def language_boxes(counts: Mapping[str, int], chosen: Sequence[str], words: Wording) -> str:
    """Return a box to tick for each language that has texts, the chosen ones ticked."""
    boxes = []
    for code in sorted(counts, key=lambda code: (code not in chosen, language_name(code).casefold())):
        checked = " checked" if code in chosen else ""
        boxes.append(
            f'<label><input type="checkbox" value="{_text(code)}"{checked}> <bdi lang="{_text(code)}">'
            f"{_text(language_name(code))}</bdi> <small>{_text(code)} · {counts[code]}</small></label>"
        )
    button = f'<button type="button" data-action="draw">{_text(words("map_draw"))}</button>'
    return f'<div class="map-boxes">{"".join(boxes)}</div>{button}'


def language_options(codes: Sequence[str], words: Wording) -> str:
    """Return the choices of a query's language: detection first."""
    options = "".join(f'<option value="{_text(code)}">{_text(language_name(code))}</option>' for code in codes)
    return f'<option value="auto">{_text(words("detect"))}</option>{options}'


def point(found: Mapping[str, Any], clip: Clip, words: Wording) -> str:
    """Return a picked point with its sound and picture, and what is near it."""
    chosen = found["point"]
    told = [words(f"map_{chosen['kind']}")]
    told += [language_name(chosen["language"])] if chosen["language"] else []
    told += [chosen["concept"]] if chosen["concept"] else []
    told += [chosen["source"]]
    picture = clip.image_path is not None
    shown = f'<img src="{_text(picture_url(clip.clip_id))}" alt="">' if picture else ""
    player = (
        f'<audio controls preload="none" src="{_text(sound_url(clip.clip_id))}" aria-label="{_text(chosen["text"])}">'
        "</audio>"
        if clip.kind != "image"
        else ""
    )
    lang = f' lang="{_text(chosen["language"])}"' if chosen["language"] else ' lang="en"'
    return (
        f'<div class="map-picked" data-position="{chosen["position"]}" data-text="{_text(chosen["text"])}">{shown}'
        f'<h3{lang} dir="auto">{_text(chosen["text"])}</h3>'
        f'<p class="origin">{" · ".join(f"<bdi>{_text(part)}</bdi>" for part in told)}</p>{player}</div>'
        f"{_near(found['neighbours'], words)}"
    )


def placed(found: Mapping[str, Any], words: Wording) -> str:
    """Return what is near a query or a recording, with the place where it falls."""
    title = found["query"] or words("map_your_recording")
    lang = f' lang="{_text(found["language"])}"' if found["language"] else ""
    heard = f'<p class="origin"><bdi>{_text(language_name(found["language"]))}</bdi></p>' if found["language"] else ""
    return (
        f'<div class="map-picked map-placed" data-x="{found["x"]:.5f}" data-y="{found["y"]:.5f}" '
        f'data-text="{_text(found["query"] or "")}" data-language="{_text(found["language"] or "")}">'
        f'<h3{lang} dir="auto"><span aria-hidden="true">★</span> {_text(title)}</h3>{heard}</div>'
        f"{_near(found['neighbours'], words)}"
    )


def selection(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int], query: str, words: Wording) -> str:
    """Return the table of the selected points, with what can be done with them.

    Args:
        rows: The first of them, as ``mapping`` describes a point.
        counts: How many there are by kind.
        query: What they may be judged against; may be empty.
        words: The interface's language.
    """
    total = sum(counts.values())
    told = ", ".join(
        f"{counts[kind]} {words(f'map_{kind}s')}" for kind in ("text", "audio", "image") if counts.get(kind)
    )
    head = "".join(f'<th scope="col">{_text(words(f"map_{name}"))}</th>' for name in ("what", *COLOURS))
    body = "".join(_selected(row, words) for row in rows)
    more = f'<p class="note">{_text(words("map_shown", shown=len(rows), total=total))}</p>' if total > len(rows) else ""
    judged = counts.get("audio", 0) + counts.get("image", 0)
    send = f'<button type="button" data-action="send" aria-expanded="false">{_text(words("map_send"))}</button>'
    return (
        f'<h2>{_text(words("map_selected", total=total))} <small>{_text(told)}</small></h2><div class="map-actions">'
        f'<button type="button" data-action="export">{_text(words("map_export"))}</button>{send if judged else ""}'
        f'<button type="button" data-action="clear">{_text(words("map_clear"))}</button></div>'
        f'<div class="map-sending"></div>{_judge(query, words) if judged else ""}'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    )


def measures(measured: Mapping[str, Any], method: str, counts: Mapping[str, int], words: Wording) -> str:
    """Return the figures beside the map, each with what it means."""
    parts = [
        _measure("map_mixing", measured["mixing"], words),
        _measure("map_translations", measured["translations"], words),
        *(_distance(row, words) for row in measured["distances"]),
        _measure("map_trustworthiness", measured["trustworthiness"], words),
        _measure("map_kept", measured["kept"], words),
    ]
    told = ", ".join(
        f"{counts[kind]:,} {words(f'map_{kind}s')}" for kind in ("text", "audio", "image") if counts.get(kind)
    )
    plane = words("map_method_pca") if method == "pca" else words("map_method_umap")
    return (
        f'<h2>{_text(words("map_measures"))}</h2><p class="origin">{_text(told)}. {_text(plane)}</p>'
        f"<dl>{''.join(parts)}</dl>{_by_language(measured['languages'], words)}"
    )


def _ask(words: Wording) -> str:
    return (
        f'<form class="map-ask"><label><span>{_text(words("map_ask"))}</span>'
        f'<input type="text" name="query" maxlength="2000" dir="auto" autocomplete="off" '
        f'placeholder="{_text(words("query_placeholder"))}"></label>'
        f'<label><span>{_text(words("language"))}</span><select name="language">'
        f'<option value="auto">{_text(words("detect"))}</option></select></label>'
        f'<button type="submit" class="map-primary">{_text(words("map_place"))}</button></form>'
    )


def _bar(words: Wording) -> str:
    colours = "".join(f'<option value="{name}">{_text(words(f"map_{name}"))}</option>' for name in COLOURS)
    return (
        f'<div class="map-bar"><label><span>{_text(words("map_colour"))}</span><select name="colour">{colours}</select>'
        f'</label><label><span>{_text(words("map_how_texts"))}</span><select name="centred">'
        f'<option value="centred">{_text(words("map_centred"))}</option>'
        f'<option value="raw">{_text(words("map_raw"))}</option></select></label>'
        f'<label class="map-find"><span>{_text(words("map_find"))}</span>'
        '<input type="search" name="find" dir="auto" autocomplete="off"></label>'
        f'<details class="map-languages"><summary>{_text(words("languages"))} '
        '<span class="map-chosen"></span></summary>'
        '<div class="map-languages-list"></div></details></div>'
        '<div class="map-matches" role="status"></div>'
    )


def _tools(words: Wording) -> str:
    tools = "".join(
        f'<button type="button" data-tool="{tool}" aria-pressed="{str(tool == "pan").lower()}">'
        f'<span aria-hidden="true">{sign}</span> {_text(words(f"map_tool_{tool}"))}</button>'
        for tool, sign in (("pan", "✥"), ("lasso", "◌"), ("select", "▭"))
    )
    zoom = "".join(
        f'<button type="button" data-zoom="{way}" aria-label="{_text(words(f"map_zoom_{way}"))}">{sign}</button>'
        for way, sign in (("in", "+"), ("out", "−"), ("all", "⤢"))
    )
    return f'<div class="map-tools" role="group" aria-label="{_text(words("map_tools"))}">{tools}{zoom}</div>'


def _near(neighbours: Mapping[str, Sequence[Mapping[str, Any]]], words: Wording) -> str:
    lists = []
    for kind, nearest in neighbours.items():
        items = "".join(_neighbour(near, words) for near in nearest)
        lists.append(
            f'<section><h4>{_text(words(f"map_near_{kind}"))}</h4><ol class="map-near {kind}">{items}</ol></section>'
        )
    return "".join(lists)


def _neighbour(near: Mapping[str, Any], words: Wording) -> str:
    picture = (
        f'<img src="{_text(picture_url(near["clip_id"]))}" alt="" loading="lazy">' if near["kind"] == "image" else ""
    )
    sign = '<span aria-hidden="true">♪</span> ' if near["kind"] == "audio" else ""
    lang = near["language"] or "en"
    told = f" <small><bdi>{_text(language_name(near['language']))}</bdi></small>" if near["language"] else ""
    return (
        f'<li><button type="button" data-position="{near["position"]}">{picture}{sign}'
        f'<span lang="{_text(lang)}" dir="auto">{_text(near["text"])}</span>{told}'
        f'<small class="score">{near["score"]:.2f}</small></button></li>'
    )


def _selected(row: Mapping[str, Any], words: Wording) -> str:
    language = language_name(row["language"]) if row["language"] else "–"
    cells = (words(f"map_{row['kind']}"), language, row["concept"] or "–", row["source"])
    lang = row["language"] or "en"
    return (
        f'<tr><th scope="row"><button type="button" data-position="{row["position"]}">'
        f'<span lang="{_text(lang)}" dir="auto">{_text(row["text"])}</span></button></th>'
        + "".join(f"<td><bdi>{_text(cell)}</bdi></td>" for cell in cells)
        + "</tr>"
    )


def _judge(query: str, words: Wording) -> str:
    buttons = "".join(f'<button type="button" data-label="{label}">{_text(words(label))}</button>' for label in LABELS)
    return (
        f'<form class="map-judge"><label><span>{_text(words("map_judge"))}</span>'
        f'<input type="text" name="judged" maxlength="2000" dir="auto" autocomplete="off" '
        f'value="{_text(query)}"></label>'
        f'<div role="group" aria-label="{_text(words("question"))}">{buttons}'
        f'<button type="button" class="link" data-action="undo" hidden>{_text(words("undo"))}</button></div>'
        '<p class="verdict" role="status" dir="auto"></p></form>'
    )


def _measure(key: str, value: float | None, words: Wording) -> str:
    shown = "–" if value is None else f"{value:.2f}"
    return f"<div><dt>{_text(words(key))}</dt><dd><b>{shown}</b> {_text(words(f'{key}_told'))}</dd></div>"


def _distance(row: Mapping[str, Any], words: Wording) -> str:
    kinds = [words(f"map_{row[place]}s") for place in ("first", "second")]
    same = "–" if row["same_concept"] is None else f"{row['same_concept']:.2f}"
    told = words("map_distance_told", same=same, all=f"{row['all_pairs']:.2f}")
    title = words("map_distance", first=kinds[0], second=kinds[1])
    return f"<div><dt>{_text(title)}</dt><dd><b>{row['centres']:.2f}</b> {_text(told)}</dd></div>"


def _by_language(rows: Sequence[Mapping[str, Any]], words: Wording) -> str:
    if not rows:
        return ""
    head = "".join(
        f'<th scope="col">{_text(words(key))}</th>'
        for key in ("map_language", "map_how_texts", "map_mixing", "map_translations")
    )
    body = "".join(
        f'<tr><th scope="row"><bdi lang="{_text(row["language"])}">{_text(language_name(row["language"]))}</bdi></th>'
        f"<td>{row['texts']}</td><td>{row['mixing']:.2f}</td>"
        f"<td>{'–' if row['translations'] is None else format(row['translations'], '.2f')}</td></tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(words("map_measures"))}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def language_name(code: str) -> str:
    """Return a language's name for itself."""
    return language_codes.describe(code).autonym


def _text(value: object) -> str:
    return escape(str(value), quote=True)
