"""``python -m cacara listen`` and ``speech-eval``: the machine's own microphone, and queries that are spoken."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.commands.command_line import add_command, add_gallery, require_writable, show_progress
from cacara.errors import QueryError
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.recordings.listening import LiveResult


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    parser = add_command(commands, "listen", listen)
    parser.add_argument("--language", metavar="CODE", default="en", help="language of the words (%(default)s)")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="how many words at a time (%(default)s)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="how often (%(default)s)")
    parser.add_argument("--times", type=int, metavar="N", help="end after so many answers (default: at Ctrl-C)")
    parser.add_argument("--input", metavar="DEVICE", help="number or name of the microphone (the system's choice)")
    parser.add_argument("--list", action="store_true", help="list the microphones and end")
    add_gallery(parser)
    parser.add_argument("--device", default="auto", help="where to compute: auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="write one JSON object a line")
    evaluating = add_command(commands, "speech-eval", evaluate_speech)
    evaluating.add_argument("--split", choices=("train", "dev", "test"), default="dev", help="whose concepts")
    evaluating.add_argument("--languages", metavar="CODE,CODE", help="these only (default: all that are spoken)")
    evaluating.add_argument("--limit", type=int, metavar="N", help="at most so many queries a language (default: all)")
    evaluating.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    evaluating.add_argument("--device", default="auto", help="where to compute: auto, cpu, cuda or mps")


def listen(options: argparse.Namespace) -> None:
    """Write words, in any language, for what the machine's microphone hears, until it is stopped."""
    from cacara import languages
    from cacara.media import audio
    from cacara.recordings import listening

    if options.list:
        for number, name in listening.inputs():
            sys.stdout.write(f"{number:3d}  {name}\n")
        return
    if not 0.1 <= options.every <= 60 or (options.times is not None and options.times < 1):
        raise QueryError(
            f"--every is {options.every:g} and --times {options.times}; wanted 0.1 to 60 seconds, and 1 or more times"
        )
    language = languages.normalise(options.language)
    chosen = int(options.input) if options.input and options.input.isdecimal() else options.input
    stretches = listening.microphone(chosen, options.every)
    first = next(stretches)  # a missing microphone is told before a model is loaded
    from cacara.search import setup as preparation

    retriever = preparation.prepare(options.model, options.gallery, options.device, show_progress)
    sound = listening.RollingSound().followed_by(first, audio.SAMPLE_RATE_HZ)
    answers = 0
    while True:
        _write(listening.describe(retriever, sound.waveform(), language, options.top), options.json)
        answers += 1
        if answers == options.times:
            return
        sound = sound.followed_by(next(stretches), audio.SAMPLE_RATE_HZ)


def evaluate_speech(options: argparse.Namespace) -> None:
    """Measure how well pictures are found by spoken descriptions, against the same typed."""
    from cacara import languages, sources
    from cacara.benchmark import spoken
    from cacara.benchmark.dataset import benchmark_file, splits
    from cacara.model import checkpoint
    from cacara.recordings import speech
    from cacara.sources import texts as source_texts

    if options.json:
        require_writable(options.json)
    if options.limit is not None and options.limit < 1:
        raise QueryError(f"--limit is {options.limit}; wanted 1 or more")
    folder = sources.fetch("tuxpaint", show_progress)
    bench = splits.load(splits.PICTURES, options.split, {"tuxpaint": folder})
    rows = benchmark_file.read(splits.PICTURES).of_split(options.split).images
    root = source_texts.content_folder("tuxpaint", folder)
    queries = spoken.spoken_descriptions(rows, root, options.limit)
    if options.languages:
        wanted = {languages.normalise(code) for code in options.languages.split(",")}
        queries = [query for query in queries if query.language in wanted]
    if not queries:
        raise QueryError(f"nothing is spoken in {options.languages}; wanted languages of Tux Paint's recordings")
    model = checkpoint.load(options.model, options.device, report=show_progress)
    transcriber = speech.load(show_progress)
    embeddings = model.encode_image(list(splits.pixels(bench)))
    report = spoken.measure(
        model,
        transcriber,
        queries,
        bench.clips,
        embeddings,
        lambda fraction: show_progress(Progress("speech", "evaluate", fraction)),
    )
    report |= {"split": options.split, "model": f"{model.name} {model.version}", "benchmark": bench.hash}
    if options.json:
        atomic.write_text(options.json, json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(spoken.to_markdown(report))


def _write(heard: LiveResult, as_json: bool) -> None:
    if as_json:
        words = [{"text": hit.text, "score": round(hit.score, 4), "clip_id": hit.clip_id} for hit in heard.hits]
        line = json.dumps({"quiet": heard.quiet, "speech": heard.speech, "words": words}, ensure_ascii=False)
    elif heard.quiet:
        line = "…"
    else:
        line = " · ".join(f"{hit.text} {hit.score:.2f}" for hit in heard.hits)
        line += " · (speech)" if heard.speech else ""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
