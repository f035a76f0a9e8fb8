"""``python -m cacara``: set-up, search, embedding and evaluation from the command line."""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.commands import classify, clips, coverage, evaluate, find, index, listen, models, space, words
from cacara.commands import map as embedding_map_commands
from cacara.commands.command_line import add_command, add_gallery, require_writable, show_progress
from cacara.errors import AudioError, CacaraError, QueryError, SourceError
from cacara.lexicon.personal_words import DEFAULT_PLACE, PersonalWords
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    import numpy as np

    from cacara.media.notes import Note
    from cacara.model.model import Cacara
    from cacara.search.retriever import Hit, Retriever


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cacara", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_setup(commands)
    _add_search(commands)
    _add_embed(commands)
    evaluate.add(commands)
    classify.add(commands)
    coverage.add(commands)
    find.add(commands)
    clips.add(commands)
    index.add(commands)
    listen.add(commands)
    embedding_map_commands.add(commands)
    models.add(commands)
    words.add(commands)
    space.add(commands)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper):  # hits are in every script, whatever the system's encoding
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        chosen.run(chosen)
    except (CacaraError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    return 0


def setup(options: argparse.Namespace) -> None:
    """Fetch all that the app needs, and embed the gallery."""
    from cacara import sources
    from cacara.search import setup as preparation

    sources.remove_stale_partials()
    retriever = preparation.prepare(options.model, options.gallery, "cpu", show_progress)
    try:
        sources.fetch_all((key for key in sources.SOURCES if key.startswith("font-")), show_progress)
    except SourceError as error:  # the page then shows these scripts in the visitors' own fonts
        sys.stderr.write(f"note: fonts are missing: {error}\n")
    _draw_map(retriever)
    gallery = retriever.gallery
    sys.stdout.write(f"ready: model {retriever.model.name} {retriever.model.version}, ")
    pictures = f" and {len(gallery.pictures)} pictures" if retriever.sees else ""
    sys.stdout.write(f"{len(gallery.clips)} sounds{pictures} of {gallery.name}, cache {sources.cache_folder()}\n")
    for line in gallery.reading:
        sys.stdout.write(f"{line}\n")
    splits = Counter(clip.split for clip in gallery.clips if clip.split not in (None, "unseen"))
    if splits:
        told = ", ".join(f"{count} {split}" for split, count in sorted(splits.items(), key=str))
        sys.stdout.write(f"note: sounds to search, not to measure with: the models or benchmarks have some ({told})\n")
    if gallery.notice:
        sys.stdout.write(f"note: {gallery.notice}\n")


def _draw_map(retriever: Retriever) -> None:
    """Draw and store the map that the app's tab shows first, so that it opens at once."""
    from cacara.embedding_map import points, store

    try:
        store.make(retriever, points.choose(retriever), show_progress)
    except CacaraError as error:  # the tab then draws it, or says why it cannot
        sys.stderr.write(f"note: the map is not drawn ahead: {error}\n")


def search(options: argparse.Namespace) -> None:
    """Search the gallery by text, by a sound file or by a picture."""
    from cacara.media import audio
    from cacara.search import likelihood, sights
    from cacara.search import setup as preparation
    from cacara.search.request import SearchRequest

    if sum(given is not None for given in (options.query, options.audio, options.image)) != 1:
        raise QueryError("give a query, --audio FILE or --image FILE, one of them")
    recording = audio.load(options.audio) if options.audio else None
    pixels = sights.load(options.image) if options.image else None
    target = options.target or ("text" if recording is not None else "audio")
    request = SearchRequest(
        text=options.query,
        sound=None if recording is None else recording.waveform,
        pictures=pixels,
        language=options.language,
        targets=(target,),
        top=options.top,
    )
    retriever = preparation.prepare(options.model, options.gallery, options.device, show_progress)
    retriever.model.follow_words(PersonalWords(options.words))
    asked = retriever.embed(request)
    found = retriever.nearest(asked, target)
    nothing = retriever.nothing_fits(asked, target, found)
    query = str(options.query or options.audio or options.image)
    answer = {
        "query": query,
        "language": asked.language,
        "model": retriever.model.name,
        "nothing_fits": nothing,
        "hits": [_hit(retriever, hit) for hit in found],
    }
    if options.json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        return
    for note in recording.notes if recording is not None else ():
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(f"{query} · {asked.language or 'language unknown'} ({asked.language_source})\n")
    if nothing:
        sys.stdout.write("nothing here seems to fit; the nearest:\n")
    for hit in found:
        likely = f"{likelihood.verdict(hit.probability) or '':8s}"
        sys.stdout.write(f"{hit.rank:3d}  {hit.score:6.3f}  {likely}  {hit.clip_id:40s} {hit.text}\n")
        for note in _notes(retriever, hit):
            sys.stderr.write(f"note: {hit.clip_id}: {note}\n")


def _hit(retriever: Retriever, hit: Hit) -> dict[str, object]:
    from cacara.search import likelihood

    clip = retriever.clip(hit.clip_id)
    return {
        "rank": hit.rank,
        "clip_id": hit.clip_id,
        "score": round(hit.score, 6),
        **likelihood.told(hit.probability),
        "caption": hit.text,
        "concept": clip.concept,
        "path": str(clip.path),
        "notes": _notes(retriever, hit),
    }


def _notes(retriever: Retriever, hit: Hit) -> list[Note]:
    from cacara.media import audio

    clip = retriever.clip(hit.clip_id)
    return [] if clip.kind == "image" else audio.search_notes(clip.path)


def embed(options: argparse.Namespace) -> None:
    """Write embeddings of a text file's lines, or of a folder's sounds, as ``ids`` and ``embeddings``."""
    import numpy as np

    from cacara.model import checkpoint

    require_writable(options.output)
    if options.kind == "audio" and options.space == "text":
        raise QueryError("sounds lie in the shared space alone; --space text is for --kind text")
    if options.kind == "text":
        texts = _text_inputs(options.input)
        model = checkpoint.load(options.model, options.device, report=show_progress)
        if options.words is not None:
            model.follow_words(PersonalWords(options.words))
        ids = list(texts)
        embeddings = model.encode_text(list(texts.values()), options.language)
        embeddings = model.text_space(embeddings) if options.space == "text" else embeddings
    else:
        sounds = _audio_inputs(options.input)
        model = checkpoint.load(options.model, options.device, report=show_progress)
        ids, embeddings = _embed_files(model, sounds)
    with atomic.replacing(options.output) as partial, partial.open("wb") as file:
        np.savez(file, ids=np.array(ids), embeddings=embeddings)
    sys.stdout.write(f"{options.output}: {embeddings.shape[0]} × {embeddings.shape[1]}\n")


def _embed_files(model: Cacara, files: dict[str, Path]) -> tuple[list[str], np.ndarray]:
    """Return the names and embeddings of the sounds that can be read; the others are told."""
    import numpy as np

    from cacara.media import audio

    ids: list[str] = []
    embeddings: list[np.ndarray] = []
    for number, (name, path) in enumerate(files.items()):
        show_progress(Progress("sounds", "embed", number / len(files)))
        try:
            recording = audio.load(path, audio.GALLERY_LIMITS)
        except AudioError as error:
            sys.stderr.write(f"skipped {name}: {error}\n")
            continue
        for note in recording.notes:
            sys.stderr.write(f"note: {name}: {note}\n")
        ids.append(name)
        embeddings.append(model.encode_audio([recording.waveform])[0])
    show_progress(Progress("sounds", "embed", 1.0))
    if not ids:
        raise AudioError(f"none of the {len(files)} sounds can be read")
    return ids, np.stack(embeddings)


def _text_inputs(path: Path) -> dict[str, str]:
    """Return the lines of a text file by their number, blank ones left out."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would also split at U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"cannot read texts from {path}: {error}; wanted a UTF-8 file, one text a line") from error
    texts = {str(number): line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    if not texts:
        raise QueryError(f"{path} holds no text; wanted one text a line")
    return texts


def _audio_inputs(path: Path) -> dict[str, Path]:
    from cacara.galleries import gallery

    if path.is_file():
        return {path.name: path}
    return {clip.clip_id: clip.path for clip in gallery.load_folder(path).clips}


def _add_setup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "setup", setup)
    add_gallery(parser)


def _add_search(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "search", search)
    parser.add_argument("query", nargs="?", metavar="QUERY", help="what to search for, in any language")
    parser.add_argument("--audio", type=Path, metavar="FILE", help="search by this sound instead")
    parser.add_argument("--language", metavar="CODE", help="the query's language (default: detected)")
    parser.add_argument("--image", type=Path, metavar="FILE", help="search by this picture or film instead")
    parser.add_argument(
        "--target", choices=("audio", "text", "image"), help="what to find (default: audio; text with --audio)"
    )
    parser.add_argument("--top", type=int, default=10, metavar="K", help="how many hits, 1 to 100")
    add_gallery(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--words", type=Path, default=DEFAULT_PLACE, metavar="FILE", help="words that were taught here (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")


def _add_embed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "embed", embed)
    parser.add_argument("--kind", choices=("text", "audio"), required=True)
    parser.add_argument("--input", type=Path, required=True, metavar="FILE_OR_DIR")
    parser.add_argument("--language", metavar="CODE", help="the texts' language (default: detected)")
    parser.add_argument(
        "--space",
        choices=("shared", "text"),
        default="shared",
        help="shared with sounds and pictures (default), or text, where texts are compared with one another",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--words", type=Path, metavar="FILE", help="words that were taught here (default: none)")
    parser.add_argument("--output", type=Path, required=True, metavar="X.npz")


if __name__ == "__main__":
    sys.exit(main())
