"""Questions of a campaign: results of a pool of queries, checks of attention, and an example campaign."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cacara import languages as language_codes
from cacara.errors import CacaraError, QueryError
from cacara.search.request import SearchRequest
from feedback_db import Campaign, Item, Ranking
from feedback_db.store.campaigns import base_language
from ui.search.answers import nearest_language

if TYPE_CHECKING:
    from cacara.galleries.manifest import Clip
    from cacara.search.retriever import Hit, Retriever

CLIP_KINDS = {"audio": "sound", "image": "picture"}
"""Target of a search to the kind of a question's clips."""
MAX_QUERIES = 500
MAX_TOP_K = 20
MAX_CHECKS = 50
EXAMPLE_LANGUAGES = ("en", "pt-BR", "es", "fr", "de", "ar", "zh-Hans", "sw", "hi", "ja")
EXAMPLE_QUERIES = 3
EXAMPLE_TOP_K = 4
EXAMPLE_GUIDELINES = """\
Listen to the whole sound, then say whether somebody who asked these words would be **glad to hear it**.

- **Relevant**: yes, that is what was asked for.
- **Partly**: something of it is there, or a close relative.
- **Not relevant**: it is another sound.
- **Unsure**: you cannot tell, or do not know the word.

When you have better words for the sound, write them in a language that you speak well.
"""
_WITH_LANGUAGE = re.compile(r"\s*(?P<language>[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)\s*[:\t]\s*(?P<text>\S.*)")


class Query(NamedTuple):
    """A line of the pool: where it stood, from 1, its text, and its language or None for what the model detects."""

    line: int
    text: str
    language: str | None


class PoolResult(NamedTuple):
    """The items made of queries, and by line why others gave none."""

    items: list[Item]
    problems: list[tuple[int, str]]


def parse_queries(pasted: str, languages: Sequence[str]) -> list[Query]:
    """Return the queries of pasted lines: ``sw: ndege``, a tab for the colon, or the words alone.

    Args:
        pasted: One query a line; empty lines are passed over.
        languages: Those of the campaign; one alone is the language of lines that name none.

    Raises:
        QueryError: There is none, or there are too many.
    """
    found = []
    for number, line in enumerate(pasted.splitlines(), 1):
        if not line.strip():
            continue
        parsed = _WITH_LANGUAGE.fullmatch(line.rstrip())
        if parsed and _is_language(parsed["language"], languages):
            found.append(Query(number, parsed["text"], parsed["language"]))
        else:
            found.append(Query(number, line.strip(), languages[0] if len(languages) == 1 else None))
    if not 1 <= len(found) <= MAX_QUERIES:
        raise QueryError(f"queries: found {len(found)}, wanted 1 to {MAX_QUERIES}, one a line")
    return found


def make_items(
    campaign: Campaign,
    retriever: Retriever,
    queries: Sequence[Query],
    top_k: int,
    rival: Retriever | None = None,
    targets: Sequence[str] = ("audio",),
) -> PoolResult:
    """Return the items of queries: each with each of its first results, or with two models' results to compare.

    Model, score and rank are in the items, for what is computed later; no annotator is shown them.

    Args:
        campaign: Whose items they are.
        retriever: The model that finds.
        queries: The queries.
        top_k: How many results of each query, 1 to ``MAX_TOP_K``.
        rival: Another model, whose results are compared with the first's; None to judge single results.
        targets: Which of ``CLIP_KINDS`` are searched for, each for itself.
    """
    if not isinstance(top_k, int) or isinstance(top_k, bool) or not 1 <= top_k <= MAX_TOP_K:
        raise QueryError(f"top_k: found {top_k!r:.80}, wanted a whole number from 1 to {MAX_TOP_K}")
    made = PoolResult([], [])
    for query in queries:
        try:
            made.items.extend(_items_of(campaign, retriever, query, top_k, rival, targets))
        except CacaraError as error:
            made.problems.append((query.line, str(error)))
    return made


def make_checks(campaign: Campaign, retriever: Retriever, number: int) -> list[Item]:
    """Return items with a known answer, in turn right and wrong, in each of the campaign's languages.

    A right one is a sound with its own description, a wrong one a description with a sound of another kind whose
    descriptions share no text with it. Languages in which the gallery has no descriptions get none.

    Args:
        campaign: Whose items they are.
        retriever: Whose gallery they are of.
        number: How many in each language, 0 to ``MAX_CHECKS``.
    """
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_CHECKS:
        raise QueryError(f"checks: found {number!r:.80}, wanted a whole number from 0 to {MAX_CHECKS}")
    gallery = retriever.gallery
    made = []
    for code in campaign.languages or ("en",):
        spoken = nearest_language(code, gallery.languages)
        clips = {clip.clip_id: clip for clip in gallery.clips if clip.captions.get(spoken)}
        shuffled = [clips[clip_id] for clip_id in _shuffled(list(clips), f"check {code}")]
        for place, clip in enumerate(shuffled[:number]):
            wrong = place % 2 == 1
            shown = next((other for other in reversed(shuffled) if _differ(clip, other)), None) if wrong else clip
            if shown is not None:
                item = Item(
                    campaign_id=campaign.campaign_id,
                    query_text=clip.captions[spoken][0],
                    language=code,
                    gallery=gallery.name,
                    clip_id=shown.clip_id,
                    known_label="not_relevant" if wrong else "relevant",
                )
                made.append(item)
    return made


def example_campaign(retriever: Retriever, created_by: str) -> tuple[Campaign, list[Item]]:
    """Return a campaign made of the gallery itself, with its items: short queries in many languages and what is found.

    Args:
        retriever: Model and gallery.
        created_by: The creator's name.
    """
    gallery = retriever.gallery
    spoken = {code: nearest_language(code, gallery.languages) for code in EXAMPLE_LANGUAGES}
    spoken = {code: own for code, own in spoken.items() if own in gallery.languages}
    campaign = Campaign(
        name=f"Examples of {gallery.name}",
        guidelines=EXAMPLE_GUIDELINES,
        languages=tuple(spoken) or ("en",),
        wanted_judgements=2,
        check_every=8,
        created_by=created_by,
    )
    queries = []
    for code, own in spoken.items():
        texts = [clip.captions[own][0] for clip in gallery.clips if clip.captions.get(own)]
        short = [text for text in dict.fromkeys(texts) if len(text) <= 40]
        queries += [Query(0, text, code) for text in _shuffled(short, f"query {code}")[:EXAMPLE_QUERIES]]
    pooled = make_items(campaign, retriever, queries, min(EXAMPLE_TOP_K, len(gallery.clips)))
    return campaign, pooled.items + make_checks(campaign, retriever, 4)


def uncertainty(scores: Sequence[float]) -> float:
    """Return how little a list of scores decides between its clips, 0 to 1: the entropy of their softmax.

    Args:
        scores: Cosine similarities of one query's results; a difference of 0.05 counts as a step.
    """
    if len(scores) < 2:
        return 0.0
    highest = max(scores)
    weights = [math.exp((score - highest) / 0.05) for score in scores]
    shares = [weight / sum(weights) for weight in weights]
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(shares))


def _items_of(
    campaign: Campaign,
    retriever: Retriever,
    query: Query,
    top_k: int,
    rival: Retriever | None,
    targets: Sequence[str],
) -> list[Item]:
    asked = retriever.embed(SearchRequest(text=query.text, language=query.language, top=top_k))
    language = query.language or asked.language
    wanted = campaign.languages
    if wanted and language and base_language(language) not in {base_language(code) for code in wanted}:
        raise QueryError(f"language: found {language!r}, wanted one of the campaign's: {', '.join(wanted)}")
    rivals = rival.embed(asked.request) if rival is not None else None
    items = []
    for target in targets:
        hits = retriever.nearest(asked, target)
        question: dict[str, Any] = {
            "campaign_id": campaign.campaign_id,
            "query_text": query.text,
            "language": language,
            "gallery": retriever.gallery.name,
            "clip_kind": CLIP_KINDS[target],
            "priority": uncertainty([hit.score for hit in hits]),
        }
        if rival is not None and rivals is not None:
            sides: dict[str, Any] = {
                "first": _ranking(retriever, hits),
                "second": _ranking(rival, rival.nearest(rivals, target)),
            }
            items.append(Item(**question, **sides))
            continue
        question |= {"model": retriever.model.name, "model_version": retriever.model.version}
        items += [Item(**question, clip_id=hit.clip_id, rank=hit.rank, score=float(hit.score)) for hit in hits]
    return items


def _ranking(retriever: Retriever, hits: Sequence[Hit]) -> Ranking:
    model = retriever.model
    return Ranking(model=model.name, model_version=model.version, clip_ids=tuple(hit.clip_id for hit in hits))


def _is_language(code: str, languages: Sequence[str]) -> bool:
    """Return whether a word before a colon is a language: one of the campaign's, or one that has a name."""
    if code in languages:
        return True
    try:
        return language_codes.describe(code).english_name.lower() != code.lower()
    except CacaraError:
        return False


def _differ(one: Clip, other: Clip) -> bool:
    """Return whether two sounds are certainly of different kinds: no concept and no description in common."""
    said = {text.casefold() for texts in one.captions.values() for text in texts}
    shared = any(text.casefold() in said for texts in other.captions.values() for text in texts)
    return not shared and (one.concept is None or one.concept != other.concept)


def _shuffled(values: Sequence[str], seed: str) -> list[str]:
    """Return texts in an order that is as if drawn, and the same each time."""
    return sorted(values, key=lambda value: hashlib.sha256(f"{seed} {value}".encode()).digest())
