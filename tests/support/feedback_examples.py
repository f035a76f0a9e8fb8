"""Records for the tests of the feedback database, each changed by keyword."""

from __future__ import annotations

from feedback_db import Adjudication, Campaign, Caption, Item, Judgement, Preference, Ranking

ABOUT = {
    "query_text": "mbwa anabweka",
    "recording_sha256": None,
    "consent": False,
    "language": "sw",
    "gallery": "tuxpaint",
    "annotator": "Ana",
}
RANKED = {"clip_id": "dog", "rank": 1, "score": 0.5, "model": "demo", "model_version": "1"}


def judgement(**changes) -> Judgement:
    return Judgement(**ABOUT | RANKED | {"label": "relevant"} | changes)


def caption(**changes) -> Caption:
    said = {"caption": "mbwa mkubwa anabweka", "caption_language": "sw"}
    return Caption(**ABOUT | RANKED | said | changes)


def preference(**changes) -> Preference:
    sides = {
        "first_model": "old",
        "first_version": "1",
        "first_clip_ids": ("dog", "cat"),
        "second_model": "new",
        "second_version": "2",
        "second_clip_ids": ("cat", "cow"),
    }
    return Preference(**ABOUT | sides | {"left": "second", "choice": "first"} | changes)


def adjudication(**changes) -> Adjudication:
    said = {name: ABOUT[name] for name in ("query_text", "recording_sha256", "language")}
    return Adjudication(**said | {"clip_id": "dog", "label": "partly", "annotator": "Lead"} | changes)


def campaign(**changes) -> Campaign:
    return Campaign(**{"name": "Pilot", "languages": ("sw", "pt-BR"), "created_by": "Lead"} | changes)


def item(made: Campaign, **changes) -> Item:
    asked = {"query_text": "mbwa", "language": "sw", "gallery": "tuxpaint", "clip_id": "dog"}
    proposed = {"model": "demo", "model_version": "1", "rank": 3, "score": 0.25}
    return Item(**{"campaign_id": made.campaign_id} | asked | proposed | changes)


def comparison(made: Campaign, **changes) -> Item:
    sides = {
        "first": Ranking(model="old", model_version="1", clip_ids=("dog", "cat")),
        "second": Ranking(model="new", model_version="2", clip_ids=("cat", "cow")),
    }
    none = dict.fromkeys(("clip_id", "model", "model_version", "rank", "score"))
    return item(made, **none | sides | changes)
