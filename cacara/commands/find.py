"""``python -m cacara find``: where in a long recording something is to be heard."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.commands.command_line import add_command, require_writable, show_progress
from cacara.errors import QueryError
from cacara.recordings import elan
from cacara.recordings.export import FORMATS, Search, export
from cacara.recordings.long_recordings import Passage, Timeline, Windowing
from cacara.search.request import SearchRequest
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.model.model import Cacara
    from cacara.search.embedding import QueryEmbedding

_EPILOG = """\
An hour takes a few minutes on two cores and a few hundred MB of memory, as does a day. Example:

    python -m cacara find tape.wav --query mbwa --query "mvua kubwa" --language sw --export tape.eaf --export tape.csv

A file of hits has a tier for each query; an ELAN document that exists gets these tiers beside its own. "!" marks
a hit that stands out of the recording: one that lies far above what is usual in it. The nearest passages are given even
where nothing stands out.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "find", find)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a sound or video file of any length")
    parser.add_argument(
        "--query", action="append", default=[], metavar="TEXT", help="what to find, in any language; may be repeated"
    )
    parser.add_argument("--audio", type=Path, metavar="FILE", help="find what sounds like this")
    parser.add_argument("--image", type=Path, metavar="FILE", help="find what fits this picture or film")
    parser.add_argument("--language", metavar="CODE", help="the queries' language (default: detected)")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="how many hits a query, 1 to 100")
    parser.add_argument("--window", type=float, default=Windowing.window_seconds, metavar="SECONDS")
    parser.add_argument("--hop", type=float, default=Windowing.hop_seconds, metavar="SECONDS")
    parser.add_argument(
        "--export",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write the hits; the ending says how: {', '.join(FORMATS)}; may be repeated",
    )
    parser.add_argument("--hours", type=float, default=24.0, help="a longer recording is cut there (%(default)g)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="write one JSON object")


def find(options: argparse.Namespace) -> None:
    """Find passages of a long recording by text, by a sound or by a picture."""
    from cacara.media import audio, streaming
    from cacara.model import checkpoint
    from cacara.recordings import long_recordings
    from cacara.search import sights
    from cacara.search.embedding import embed

    windowing = Windowing(options.window, options.hop)
    _check(options)
    heard = audio.load(options.audio).waveform if options.audio else None
    seen = sights.load(options.image) if options.image else None
    limits = streaming.StreamLimits(1 << 40, 3600 * options.hours, 24 * 3600)
    blocks = streaming.blocks(options.recording, limits)
    first = next(blocks)  # a file that is no sound fails before the model is loaded
    model = checkpoint.load(options.model, options.device, report=show_progress)
    # Both fail before minutes of work.
    shown = None if seen is None else embed(model, SearchRequest(pictures=seen))
    sounding = None if heard is None else embed(model, SearchRequest(sound=heard))

    minutes = [0]

    def told(seconds: float) -> None:
        if seconds // 60 > minutes[-1]:
            minutes.append(int(seconds // 60))
            show_progress(Progress(options.recording.name, f"heard {minutes[-1]} minutes"))

    timeline = long_recordings.embed(model, streaming.chained(first, blocks), windowing, told)
    show_progress(Progress(options.recording.name, "ready", 1.0))
    searches = [_search(model, timeline, query, options) for query in options.query]
    if sounding is not None:
        searches.append(Search(options.audio.name, None, _passages(model, timeline, sounding, options.top)))
    if shown is not None:
        searches.append(Search(options.image.name, None, _passages(model, timeline, shown, options.top)))
    for path in options.export:
        existing = elan.read(path) if path.suffix.lower() == ".eaf" and path.exists() else None
        content = export(path.suffix, options.recording.name, timeline.seconds, searches, existing)
        with atomic.replacing(path) as partial:
            partial.write_bytes(content)
    _tell(options, timeline, searches)


def _check(options: argparse.Namespace) -> None:
    """Refuse what would fail after minutes of work."""
    if not (options.query or options.audio or options.image):
        raise QueryError("give --query TEXT, --audio FILE or --image FILE, or several of them")
    known = {suffix.lower() for suffix in FORMATS}
    for path in options.export:
        if path.suffix.lower() not in known:
            raise QueryError(f"cannot export to {path.name}; wanted an ending of {', '.join(FORMATS)}")
        require_writable(path)
        if path.suffix.lower() == ".eaf" and path.exists():
            elan.tiers(elan.read(path))  # what is no ELAN document is refused before anything is overwritten
    if not 1 <= options.top <= 100:
        raise QueryError(f"--top is {options.top}; wanted 1 to 100")
    if not options.hours > 0:
        raise QueryError(f"--hours is {options.hours:g}; wanted more than 0")


def _search(model: Cacara, timeline: Timeline, query: str, options: argparse.Namespace) -> Search:
    from cacara.search.embedding import embed

    asked = embed(model, SearchRequest(text=query, language=options.language, top=options.top))
    return Search(asked.text, asked.language, _passages(model, timeline, asked, options.top))


def _passages(model: Cacara, timeline: Timeline, asked: QueryEmbedding, top: int) -> tuple[Passage, ...]:
    from cacara.recordings import long_recordings

    curve = long_recordings.similarity(timeline, asked.vector)
    return long_recordings.judged(model, asked, curve, long_recordings.passages(timeline, curve, top))


def _tell(options: argparse.Namespace, timeline: Timeline, searches: list[Search]) -> None:
    from cacara.search import likelihood

    for note in timeline.notes:
        sys.stderr.write(f"note: {note}\n")
    if options.json:
        told = [
            {
                "query": search.query,
                "language": search.language,
                "hits": [
                    {
                        "rank": hit.rank,
                        "start_seconds": round(hit.start_seconds, 3),
                        "end_seconds": round(hit.end_seconds, 3),
                        "score": round(hit.score, 6),
                        **likelihood.told(hit.probability),
                        "prominence": round(hit.prominence, 3),
                    }
                    for hit in search.passages
                ],
            }
            for search in searches
        ]
        answer = {"recording": options.recording.name, "seconds": round(timeline.seconds, 3), "searches": told}
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        return
    for search in searches:
        sys.stdout.write(f"{search.query} · {search.language or 'language unknown'}\n")
        for hit in search.passages:
            times = f"{clock(hit.start_seconds)}–{clock(hit.end_seconds)}"
            sys.stdout.write(f"{hit.rank:3d}  {times:>17s}  {hit.score:6.3f}{'  !' if hit.clear else ''}\n")
    for path in options.export:
        sys.stdout.write(f"written: {path}\n")


def clock(seconds: float) -> str:
    """Return a moment as ``h:mm:ss``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
