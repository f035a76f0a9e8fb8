"""``python -m cacara index``: fill an index with a folder of sounds, and search it."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.commands.command_line import add_command, make_folder, show_progress
from cacara.errors import CacaraError, QueryError
from cacara.sources.clients import Report, silent
from cacara_files import atomic

if TYPE_CHECKING:
    from accelerate import PartialState

    from cacara.model.model import Cacara
    from cacara.search.engines import VectorIndex

_EPILOG = """\
Engines: exact:FOLDER keeps the embeddings in files and searches them in memory; lancedb:PLACE keeps and searches them
in a folder, in storage that machines share (lancedb:s3://bucket/clips) or in a cluster (lancedb:db://name).

    python -m cacara index ~/recordings --engine exact:clips
    python -m cacara index --engine exact:clips --query "der Hund bellt"
    torchrun --nproc-per-node 2 -m cacara index ~/recordings --engine lancedb:clips
    accelerate launch --num_machines 4 --num_processes 32 -m cacara index /shared/sounds --engine lancedb:s3://b/clips

A run that was stopped goes on where it was. Sounds that have changed are embedded again; those that were deleted stay.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "index", index)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="sounds to put into the index")
    parser.add_argument("--engine", required=True, metavar="URI", help="exact:FOLDER or lancedb:PLACE")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where embeddings are kept until all are made (in the cache)"
    )
    parser.add_argument("--query", action="append", default=[], metavar="TEXT", help="search; may be repeated")
    parser.add_argument("--language", metavar="CODE", help="the queries' language (default: detected)")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="how many hits a query, 1 to 100")
    parser.add_argument("--approximate", action="store_true", help="let the engine trade exactness for speed")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def index(options: argparse.Namespace) -> None:
    """Fill an index with a folder of sounds, or search it."""
    if not options.folder and not options.query and not options.approximate:
        raise QueryError("give a FOLDER to index, or --query TEXT to search")
    if not 1 <= options.top <= 100:
        raise QueryError(f"--top is {options.top}; wanted 1 to 100")
    from accelerate import PartialState

    from cacara import devices
    from cacara.model import checkpoint
    from cacara.search import engines

    engines.check_uri(options.engine)
    on_processor = devices.resolve(options.device).type == "cpu"
    # A process waits for the slowest, which may take days.
    state = PartialState(cpu=on_processor, timeout=datetime.timedelta(days=30))
    report = show_progress if state.is_main_process else silent
    model = checkpoint.load(options.model, options.device, report=report)
    if options.folder:
        _embed(model, options.folder, _work(options), state, report)
    try:
        if state.is_main_process:
            _fill_and_search(model, options)
    finally:
        if state.num_processes > 1:
            state.destroy_process_group()


def _embed(model: Cacara, folder: Path, work: Path, state: PartialState, report: Report) -> None:
    from cacara.search import bulk_embedding

    if state.is_main_process:
        make_folder(work)
        bulk_embedding.list_folder(folder, work)
    state.wait_for_everyone()
    bulk_embedding.embed_folder(model, folder, work, state.process_index, state.num_processes, report)
    state.wait_for_everyone()


def _fill_and_search(model: Cacara, options: argparse.Namespace) -> None:
    from cacara.search import engines

    chosen = engines.open_index(options.engine, model.dimension)
    if options.folder:
        fill(model, chosen, options.engine, _work(options))
    if options.approximate:
        engines.approximate(chosen)
    for query in options.query:
        search(model, chosen, query, options)


def fill(model: Cacara, chosen: VectorIndex, uri: str, work: Path) -> None:
    """Add the pieces that the index does not have yet; a record in the work folder tells which it has.

    An index that holds fewer sounds than it was given, as when a part of it was damaged and deleted, gets all again.

    Raises:
        CacaraError: The index was filled by another model, or the record is damaged.
    """
    from cacara.search import bulk_embedding, engines

    record = work / f"index-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.json"
    known = _read_record(record, uri) if record.is_file() and len(chosen) else {}
    maker = engines.maker_name(model)
    other = known.get("model") or (engines.read_maker(uri) if len(chosen) else None)
    if other and other != maker:
        raise CacaraError(f"{uri} holds embeddings of {other}; wanted another place for those of {maker}")
    engines.write_maker(uri, maker)
    whole = len(chosen) >= known.get("rows", 0)
    added, skipped = set(known.get("pieces", ()) if whole else ()), 0
    for piece in bulk_embedding.pieces(work):
        if piece.number in added:
            continue
        embedded = bulk_embedding.read(model, work, piece.number)
        for line in embedded.skipped:
            sys.stderr.write(f"skipped {line}\n")
        skipped += len(embedded.skipped)
        if embedded.ids:
            chosen.add(embedded.ids, embedded.embeddings)
        added.add(piece.number)
        kept = {"uri": uri, "model": maker, "pieces": sorted(added), "rows": len(chosen)}
        atomic.write_text(record, json.dumps(kept))
    sys.stdout.write(
        f"{uri}: {len(chosen)} sounds × {chosen.dimension}" + (f", {skipped} skipped\n" if skipped else "\n")
    )


def _read_record(path: Path, uri: str) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {"model": str(known["model"]), "pieces": list(known["pieces"]), "rows": int(known.get("rows", 0))}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CacaraError(
            f"{path}, which tells what {uri} holds, is damaged ({error!s:.80}); delete it and that index, and index "
            "the folder again"
        ) from error


def search(model: Cacara, chosen: VectorIndex, query: str, options: argparse.Namespace) -> None:
    """Write the hits of a query, by name."""
    from cacara.search.embedding import embed
    from cacara.search.request import SearchRequest

    asked = embed(model, SearchRequest(text=query, language=options.language, top=options.top))
    hits = chosen.nearest(asked.vector[None], asked.request.top)[0]
    sys.stdout.write(f"{asked.text} · {asked.language or 'language unknown'}\n")
    for rank, hit in enumerate(hits, start=1):
        sys.stdout.write(f"{rank:3d}  {hit.score:6.3f}  {hit.item_id}\n")


def _work(options: argparse.Namespace) -> Path:
    from cacara import sources

    if options.work:
        return Path(options.work)
    place = hashlib.sha256(str(options.folder.absolute()).encode(errors="surrogateescape")).hexdigest()[:16]
    return sources.cache_folder() / "bulk" / f"{options.folder.name}-{place}"
