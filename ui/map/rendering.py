"""The map and the form that sends a selection of it to a campaign, as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.page.templates import language_name, render
from ui.server.media import picture_url, sound_url

if TYPE_CHECKING:
    from cacara.galleries.manifest import Clip
    from feedback_db import Campaign
    from ui.page.wording import Wording

LABELS = ("relevant", "not_relevant", "unsure")
ROWS_SHOWN = 200
"""Number of selected points in the table; the export has them all."""

COLOURS = ("kind", "language", "concept", "source")
KINDS = ("text", "audio", "image")


def question(words: Wording) -> str:
    """Return what the map is, and the form that asks where words fall on it; the microphone follows."""
    return render("map/question.html", words)


def shell(words: Wording) -> str:
    """Return the tab's frame; ``map.js`` fills it."""
    return render("map/shell.html", words, colours=COLOURS)


def progress(step: str, fraction: float | None, words: Wording) -> str:
    """Return how far a map is, with the button that stops it."""
    value = "" if fraction is None else f"{fraction:.3f}"
    return render("map/progress.html", words, step=step, value=value)


def ended(message: str, words: Wording) -> str:
    """Return why there is no map, with the button that begins it again."""
    return render("map/ended.html", words, message=message)


def waiting(message: str, words: Wording) -> str:
    """Return that the model is still being prepared."""
    return render("map/waiting.html", words, message=message)


def language_boxes(counts: Mapping[str, int], chosen: Sequence[str], words: Wording) -> str:
    """Return a box to tick for each language that has texts, the chosen ones ticked."""
    codes = sorted(counts, key=lambda code: (code not in chosen, language_name(code).casefold()))
    boxes = [{"code": code, "checked": code in chosen, "count": counts[code]} for code in codes]
    return render("map/language_boxes.html", words, boxes=boxes)


def language_options(codes: Sequence[str], words: Wording) -> str:
    """Return the choices of a query's language: detection first."""
    return render("map/language_options.html", words, codes=codes)


def point(found: Mapping[str, Any], clip: Clip, words: Wording) -> str:
    """Return a picked point with its sound and picture, and what is near it."""
    chosen = found["point"]
    language = language_name(chosen["language"]) if chosen["language"] else ""
    origin = (words(f"map_{chosen['kind']}"), language, chosen["concept"], chosen["source"])
    return render(
        "map/point.html",
        words,
        point=chosen,
        origin=[part for part in origin if part],
        picture="" if clip.image_path is None else picture_url(clip.clip_id),
        sound="" if clip.kind == "image" else sound_url(clip.clip_id),
        lists=_near(found["neighbours"]),
    )


def placed(found: Mapping[str, Any], words: Wording) -> str:
    """Return what is near a query or a recording, with the place where it falls."""
    return render(
        "map/placed.html",
        words,
        x=f"{found['x']:.5f}",
        y=f"{found['y']:.5f}",
        query=found["query"] or "",
        language=found["language"] or "",
        lists=_near(found["neighbours"]),
    )


def selection(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int], query: str, words: Wording) -> str:
    """Return the table of the selected points, with what can be done with them.

    Args:
        rows: The first of them, as ``actions`` describes a point.
        counts: Number of points by kind.
        query: The text to judge them against; may be empty.
        words: The interface's language.
    """
    return render(
        "map/selection.html",
        words,
        rows=rows,
        total=sum(counts.values()),
        counts=", ".join(f"{counts[kind]} {words(f'map_{kind}s')}" for kind in KINDS if counts.get(kind)),
        judged=counts.get("audio", 0) + counts.get("image", 0) > 0,
        query=query,
        labels=LABELS,
        colours=COLOURS,
    )


def measures(measured: Mapping[str, Any], method: str, counts: Mapping[str, int], words: Wording) -> str:
    """Return the figures beside the map, each with what it means."""
    shown = [
        _measure("map_mixing", measured["mixing"], words),
        _measure("map_translations", measured["translations"], words),
        *(_distance(row, words) for row in measured["distances"]),
        _measure("map_trustworthiness", measured["trustworthiness"], words),
        _measure("map_kept", measured["kept"], words),
    ]
    languages = [
        row | {"mixing": _figure(row["mixing"]), "translations": _figure(row["translations"])}
        for row in measured["languages"]
    ]
    return render(
        "map/measures.html",
        words,
        counts=", ".join(f"{counts[kind]:,} {words(f'map_{kind}s')}" for kind in KINDS if counts.get(kind)),
        method=method,
        measures=shown,
        languages=languages,
    )


def sending_locked(enter: bool, words: Wording) -> str:
    """Return why nothing can be sent, with a field for the admin token if this server has one."""
    return render("map/campaign_locked.html", words, enter=enter)


def sending_form(
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
        texts: Number of selected texts.
        clips: Number of selected sounds and pictures.
        most: Most questions that are added at once.
        words: The interface's language.
    """
    text, language = asked
    ways = [
        ("words", words("map_send_by_words")),
        ("texts", words("map_send_by_texts", texts=texts, clips=clips, pairs=texts * clips)),
    ]
    return render(
        "map/campaign_form.html",
        words,
        campaigns=campaigns,
        ways=ways if texts else [],
        text=text,
        language=language,
        codes=list(dict.fromkeys([*([language] if language else []), *languages])),
        limit=words("map_send_limit", most=most) if max(texts, 1) * clips > most else "",
    )


def sent(outcome: Mapping[str, Any], words: Wording) -> str:
    """Return how many questions were added, what was not, and the campaign's link."""
    return render(
        "map/campaign_added.html",
        words,
        name=outcome["name"],
        added=outcome["added"],
        campaign_id=outcome["campaign_id"],
        lines=[
            words(f"map_send_{part}", count=outcome[part]) for part in ("known", "waiting", "left_out") if outcome[part]
        ],
    )


def _near(neighbours: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    return [{"kind": kind, "points": [_neighbour(near) for near in nearest]} for kind, nearest in neighbours.items()]


def _neighbour(near: Mapping[str, Any]) -> dict[str, Any]:
    picture = picture_url(near["clip_id"]) if near["kind"] == "image" else ""
    return {**near, "picture": picture, "score": f"{near['score']:.2f}"}


def _measure(key: str, value: float | None, words: Wording) -> dict[str, str]:
    return {"title": words(key), "value": _figure(value), "meaning": words(f"{key}_told")}


def _distance(row: Mapping[str, Any], words: Wording) -> dict[str, str]:
    first, second = (words(f"map_{row[place]}s") for place in ("first", "second"))
    return {
        "title": words("map_distance", first=first, second=second),
        "value": _figure(row["centres"]),
        "meaning": words("map_distance_told", same=_figure(row["same_concept"]), all=_figure(row["all_pairs"])),
    }


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
