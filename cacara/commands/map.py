"""``python -m cacara map``: the map of the app's tab, fitted ahead and stored."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.commands.command_line import add_command, add_gallery, require_writable, show_progress
from cacara.errors import QueryError
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.embedding_map.plane import EmbeddingMap


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "map", fit)
    parser.add_argument(
        "--languages", metavar="CODES", help="the texts' languages, e.g. en,sw,zh-Hans (default: the app's)"
    )
    parser.add_argument(
        "--texts", choices=("both", "centred", "raw"), default="both", help="how texts are embedded (%(default)s)"
    )
    add_gallery(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--again", action="store_true", help="fit anew what is stored already")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="also write points, positions and measures")


def fit(options: argparse.Namespace) -> None:
    """Fit the map of texts, sounds and pictures, and store it where the app looks for it."""
    from cacara.embedding_map import points, store
    from cacara.search import setup as preparation

    chosen = None
    if options.languages is not None:
        chosen = [code.strip() for code in options.languages.split(",") if code.strip()]
        if not chosen:
            raise QueryError(f"--languages is {options.languages!r:.40}; wanted codes with commas between, e.g. en,sw")
    if options.output:
        require_writable(options.output)
    retriever = preparation.prepare(options.model, options.gallery, options.device, show_progress)
    made = {}
    for name in ("centred", "raw") if options.texts == "both" else (options.texts,):
        inputs = points.choose(retriever, chosen, centred=name == "centred")
        if options.again:
            store.remove(inputs)
        made[name] = store.make(retriever, inputs, show_progress)
        sys.stdout.write(_summary(name, made[name]) + f"  {store.path_of(inputs)}\n")
    if options.output:
        content = {name: {"measures": dict(one.measures), "points": store.as_table(one)} for name, one in made.items()}
        atomic.write_text(options.output, json.dumps(content, ensure_ascii=False, sort_keys=True) + "\n")


def _summary(name: str, made: EmbeddingMap) -> str:
    counts = {kind: sum(point.kind == kind for point in made.inputs.points) for kind in ("text", "audio", "image")}
    lines = [
        f"{name} texts, model {made.inputs.model}, {made.method}: {counts['text']} texts in "
        f"{len(made.inputs.languages)} languages, {counts['audio']} sounds, {counts['image']} pictures"
    ]
    for key in ("mixing", "translations", "trustworthiness", "kept"):
        value = made.measures[key]
        lines.append(f"  {key:16s}" + (f"{value:.3f}" if isinstance(value, float) else "–"))
    for row in made.measures["distances"]:  # type: ignore[attr-defined]
        lines.append(f"  {row['first']}–{row['second']}: centres {row['centres']:.3f} apart")
    return "\n".join(lines) + "\n"
