"""A campaign as it looks after a week of work, for the documentation's pictures; only its days are new each time."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gradio_client import Client
from gradio_client.exceptions import AppError

from cacara.galleries import gallery
from cacara.galleries.manifest import Clip
from feedback_db import Campaign, Caption, Item, Judgement, Ranking, Store

LANGUAGES = ("en", "de", "pt-BR", "fr", "ar", "zh-Hans", "sw")
PEOPLE = {
    "field-team-nairobi-amina": (0.02, 5.0),
    "field-team-nairobi-juma": (0.04, 7.5),
    "Beatriz Santos": (0.02, 4.0),
    "Dieter": (0.10, 2.5),
}
"""Who judged: the share of answers that differ from what the sound is, and the usual seconds of an answer."""
PREPARING_SECONDS = 300
CONCEPTS = 60
RESULTS = 4
OPEN_EVERY = 4
"""Of so many questions one is left for whoever opens the Annotate tab."""
GUIDELINES = """\
Listen to the whole sound, then say whether somebody who asked these words would be **glad to hear it**.

- **Relevant**: yes, that is what was asked for.
- **Partly**: something of it is there, or a close relative.
- **Not relevant**: it is another sound.
- **Unsure**: you cannot tell, or do not know the word.
"""

Find = Callable[..., dict[str, Any]]
"""The app's ``/search_text``."""


def prepare(client: Client, model: str) -> None:
    """Ask a model that is in the menu until it answers.

    Raises:
        AppError: It cannot be prepared.
    """
    for _ in range(PREPARING_SECONDS):
        with contextlib.suppress(AppError):
            client.predict(query="a dog", model=model, api_name="/search_text")
            return
        time.sleep(1)
    client.predict(query="a dog", model=model, api_name="/search_text")


def fill(database: Path, find: Find, models: tuple[str, str]) -> tuple[str, str]:
    """Make two campaigns, with answers of four people to the first.

    Args:
        database: The feedback database of the app.
        find: Asks the app.
        models: The ids of the two models that the second campaign compares.

    Returns:
        The ids of the campaign of single sounds and of the one that compares models.
    """
    judged = Campaign(
        name="Animals and machines", guidelines=GUIDELINES, languages=LANGUAGES, wanted_judgements=3, check_every=8,
        created_by="Lucía", created_utc=_ago(7, 8),
    )  # fmt: skip
    compared = Campaign(
        name="Old model or new?", languages=("en", "de", "fr"), wanted_judgements=2, order="uncertainty",
        created_by="Lucía", created_utc=_ago(3, 8),
    )  # fmt: skip
    clips = gallery.load_tux_paint().clips
    concepts = {clip.clip_id: clip.concept for clip in clips}
    with Store(database) as store:
        store.save_campaign(judged)
        store.save_campaign(compared)
        items = [
            (item, concept)
            for concept, language, text in _queries(clips)
            for item in _items(judged, find(query=text, language=language, top_k=RESULTS, kind="sound"))
        ]
        checks = list(_checks(judged, clips))
        store.add_items([item for item, _ in items + checks])
        store.add_items(
            _comparison(compared, [find(query=text, language=code, top_k=3, kind="sound", model=m) for m in models])
            for _, code, text in [row for row in _queries(clips) if row[1] in compared.languages][:12]
        )
        for number, (item, concept) in enumerate(items + checks):
            if number % OPEN_EVERY or item.known_label:
                _judge(store, item, concepts[item.clip_id or ""] == concept, number)
        _describe(store, items[0][0])
    return judged.campaign_id, compared.campaign_id


def _queries(clips: list[Clip]) -> Iterator[tuple[str, str, str]]:
    """Yield (concept, language, text): each concept in two languages."""
    named = sorted({clip.concept: clip for clip in reversed(clips) if clip.concept}.items())
    short = [(name, clip) for name, clip in named if len(clip.captions.get("en", ("x" * 99,))[0]) < 30]
    for number, (name, clip) in enumerate(short[:CONCEPTS]):
        for code in (LANGUAGES[number % len(LANGUAGES)], LANGUAGES[(number + 3) % len(LANGUAGES)]):
            if texts := clip.captions.get(code):
                yield name, code, texts[0].rstrip(".。")


def _items(campaign: Campaign, found: dict[str, Any]) -> list[Item]:
    return [
        Item(
            campaign_id=campaign.campaign_id, query_text=found["query"], language=found["language"],
            gallery=found["gallery"], clip_id=hit["clip_id"], model=found["model"],
            model_version=found["model_version"], rank=hit["rank"], score=hit["score"],
        )
        for hit in found["hits"]
    ]  # fmt: skip


def _comparison(campaign: Campaign, answers: list[dict[str, Any]]) -> Item:
    first, second = (
        Ranking(
            model=found["model"],
            model_version=found["model_version"],
            clip_ids=tuple(hit["clip_id"] for hit in found["hits"]),
        )
        for found in answers
    )
    asked = answers[0]
    return Item(
        campaign_id=campaign.campaign_id, query_text=asked["query"], language=asked["language"],
        gallery=asked["gallery"], first=first, second=second,
    )  # fmt: skip


def _checks(campaign: Campaign, clips: list[Clip]) -> Iterator[tuple[Item, str | None]]:
    told = [clip for clip in clips if clip.concept and len(clip.captions.get("en", ("x" * 99,))[0]) < 20]
    for number, clip in enumerate(told[40:52]):
        heard = clip if number % 2 == 0 else told[number]
        item = Item(
            campaign_id=campaign.campaign_id, query_text=clip.captions["en"][0].rstrip("."), language="en",
            gallery="tuxpaint", clip_id=heard.clip_id, known_label="not_relevant" if number % 2 else "relevant",
        )  # fmt: skip
        yield item, clip.concept


def _judge(store: Store, item: Item, right: bool, number: int) -> None:
    """Store what three of the people say, one after the other over a working week."""
    for place, (who, (wrong, seconds)) in enumerate(PEOPLE.items()):
        if place == number // OPEN_EVERY % len(PEOPLE) and not item.known_label:
            continue
        drawn = _share(f"{item.query_text} {item.clip_id} {who}")
        label = "relevant" if right != (drawn < wrong) else "not_relevant"
        if 0.4 < drawn < 0.43:
            label = "partly"
        elif drawn > 0.985:
            label = "unsure"
        day, minute = min(number // 110, 4), number % 60
        store.add_judgement(
            Judgement(
                query_text=item.query_text, recording_sha256=None, consent=False, language=item.language,
                gallery=item.gallery, clip_id=item.clip_id or "", model=item.model, model_version=item.model_version,
                rank=item.rank, score=item.score, campaign_id=item.campaign_id, item_id=item.item_id, annotator=who,
                label=label, reasons=("too_faint",) if 0.2 < drawn < 0.22 else (),
                seconds_taken=round(seconds * (0.5 + 1.6 * _share(f"{drawn}") ** 2), 1),
                created_utc=_ago(5 - day, 9 + place, minute),
            )
        )  # fmt: skip


def _describe(store: Store, item: Item) -> None:
    store.add_caption(
        Caption(
            query_text=item.query_text, recording_sha256=None, consent=False, language=item.language,
            gallery=item.gallery, clip_id=item.clip_id or "", model=item.model, model_version=item.model_version,
            rank=item.rank, score=item.score, campaign_id=item.campaign_id, item_id=item.item_id,
            annotator="Beatriz Santos", caption="um texugo rosna perto da toca", caption_language="pt-BR",
            created_utc=_ago(4, 10),
        )
    )  # fmt: skip


def _ago(days: int, hour: int, minute: int = 0) -> str:
    """Return a time of some days ago, ISO-8601 in UTC."""
    today = datetime.datetime.now(datetime.UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (today - datetime.timedelta(days=days)).isoformat()


def _share(seed: str) -> float:
    """Return a number from 0 to 1, as if drawn, and the same each time."""
    return hashlib.sha256(seed.encode()).digest()[0] / 256
