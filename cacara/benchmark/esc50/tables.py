"""The report of models on ESC-50 as Markdown tables, with what the papers of others state beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from cacara.benchmark.esc50.zero_shot import LEXICON


@dataclasses.dataclass(frozen=True)
class Peer:
    """A zero-shot top-1 accuracy on ESC-50 that a paper states.

    Attributes:
        model: Its name.
        language: Of the class names.
        top_1: Percent, as printed; a range where several models are meant.
        source: The paper.
    """

    model: str
    language: str
    top_1: str
    source: str


PEERS = (
    Peer("CLAP", "en", "82.6", "Elizalde et al. 2022, arXiv 2206.04769"),
    Peer(
        "LAION-CLAP and later",
        "en",
        "89–94",
        "Wu et al. 2022, arXiv 2211.06687; Elizalde et al. 2023, arXiv 2309.05767",
    ),
    Peer("GLAP", "en", "88.8", "Dinkel et al. 2025, arXiv 2506.11350"),
    Peer("GLAP", "ru", "62.1", "Dinkel et al. 2025, arXiv 2506.11350"),
)
NOTES = (
    "for measuring alone: ESC-50 is CC BY-NC; nothing is trained, tuned or chosen with it",
    "intervals: 95 %, one of the five folds left out in turn; ties count against the model",
    "audio to text: R@1 and R@5 are the classification's top 1 and top 5",
    "the figures of others are their papers', with prompts of their own and the original recordings",
)


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown: models, peers, each model's languages, worst first, and notes."""
    benchmark = report["benchmark"]
    counted = f"{benchmark['clips']} clips, {benchmark['classes']} classes, {benchmark['files']}"
    lines = [f"# ESC-50 ({benchmark['hash']}): {counted}"]
    for name, title in (("english", "English"), ("mean_other", "Others"), ("mean_lexicon", "Names from a lexicon")):
        rows = [(model, model["summary"][name]) for model in report["models"] if model["summary"][name]]
        if rows:
            counted = "" if name == "english" else f", mean of {rows[0][1]['languages']} languages"
            lines += [
                "",
                f"## {title}{counted}",
                "",
                *_table("model", [(model["name"], found) for model, found in rows]),
            ]
    lines += ["", "## Sound to the names of all languages together", "", "| model | languages | mAP@10 | R@1/5/10 |"]
    lines += ["|---|---|---|---|"]
    for model in report["models"]:
        found = model["all_languages"]
        lines.append(f"| {model['name']} | {found['languages']} | {_figure(found, 'map_at_10')} | {_recalls(found)} |")
    lines += [
        "",
        "## What papers state, zero-shot top 1",
        "",
        "| model | language | top 1 | source |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {peer['model']} | {peer['language']} | {peer['top_1']} | {peer['source']} |" for peer in report["peers"]
    ]
    for model in report["models"]:
        languages = model["languages"]
        worst_first = sorted(languages, key=lambda code: (languages[code]["zero_shot"]["top_1"], code))
        marks = {code: f"{code} *" if languages[code]["names"] == LEXICON else code for code in worst_first}
        lines += ["", f"## {model['name']} {model['version']}, by language", ""]
        lines += _table("language", [(marks[code], languages[code]) for code in worst_first])
    if any(found["names"] == LEXICON for model in report["models"] for found in model["languages"].values()):
        lines += ["", "\\* the class names come from a lexicon"]
    return "\n".join([*lines, "", *(f"- {note}" for note in report["notes"]), ""])


def _table(first: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    lines = [
        f"| {first} | top 1 | 95 % | top 5 | 95 % | text → audio mAP@10 | 95 % | R@1/5/10 | audio → text R@10 | MRR |",
        "|---" * 10 + "|",
    ]
    for name, found in rows:
        asked, answered = found["text_to_audio"], found["audio_to_text"]
        cells = [
            name,
            *_with_interval(found["zero_shot"], "top_1"),
            *_with_interval(found["zero_shot"], "top_5"),
            *_with_interval(asked, "map_at_10"),
            _recalls(asked),
            _figure(answered, "recall_at_10"),
            _figure(answered, "mean_reciprocal_rank"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _with_interval(found: Mapping[str, Any], name: str) -> tuple[str, str]:
    return _figure(found, name), "{:.1f}–{:.1f}".format(*found[f"ci95_{name}"])


def _figure(found: Mapping[str, Any], name: str) -> str:
    return f"{found[name]:.1f}"


def _recalls(found: Mapping[str, Any]) -> str:
    return " / ".join(f"{found[f'recall_at_{depth}']:.1f}" for depth in (1, 5, 10))
