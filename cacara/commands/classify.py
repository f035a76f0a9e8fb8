"""``python -m cacara classify``: a folder of sounds and pictures sorted into classes named in any language."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.commands.command_line import add_command, make_folder, show_progress
from cacara.errors import AudioError, CacaraError, GalleryError
from cacara.sources.clients import Progress
from cacara_files import atomic

if TYPE_CHECKING:
    import numpy as np

    from cacara.model.model import Cacara

_EPILOG = """\
labels.csv (UTF-8 or UTF-16, with a heading) names every class in every language that is to be tried, one name a line:

    label,language,name
    dog,en,dog
    dog,sw,mbwa
    dog,sw,mbwa anayebweka
    cat,sw,paka

"label" is your own id of the class, "language" a BCP-47 code. Several names of a class are averaged. A name may be
a word or a sentence; a column more (a gloss, a source) does no harm. A class without a name in a language is no
choice there, and files of that class are not counted there; --common keeps the classes that all languages name.

The truth, if it is known, is either a CSV file given with --truth:

    file,label
    field/rec_001.wav,dog

with files as they lie below DIR, or the folders themselves: a file in a folder that is named after a label, such
as DIR/dog/rec_001.wav, belongs to that class. Files without a truth are sorted too, but not counted. Names match in
any Unicode normal form, with / or \\, and in any case where that leaves one file.

A film is heard if it has a sound track, and seen if it has none: the mean of 12 of its pictures.

Written are DIR-classified/predictions.csv (file, language, rank, label, score, truth, correct; the five nearest
classes) and report.json: accuracy (top 1 and top 5) in each language with its 95 % interval and chance, and their mean.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "classify", classify)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("folder", type=Path, metavar="DIR", help="sounds and pictures, also in folders below")
    parser.add_argument("--labels", type=Path, required=True, metavar="labels.csv", help="the classes and their names")
    parser.add_argument(
        "--languages", metavar="CODE,CODE", help="try these languages only (default: all of the labels)"
    )
    parser.add_argument(
        "--common", action="store_true", help="keep only classes that have a name in every language tried"
    )
    parser.add_argument("--truth", type=Path, metavar="truth.csv", help="which file is what (default: by folder)")
    parser.add_argument("--output", type=Path, metavar="OUT", help="where to write (default: DIR-classified)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def classify(options: argparse.Namespace) -> None:
    """Sort a folder's sounds and pictures into classes named in any language; no training."""
    from cacara.model import checkpoint
    from cacara.search import classification

    checkpoint.find(options.model)  # a wrong name or a bad table fails before anything is loaded
    languages = [code.strip() for code in options.languages.split(",")] if options.languages else None
    told: list[str] = []
    labels = classification.read_labels(options.labels, languages, told.append)
    if options.common:
        labels = labels.of_common()
    paths = _files(options.folder)
    if options.truth:
        truth = classification.read_truth(options.truth, paths, labels, told.append)
    else:
        truth = classification.truth_of_folders(paths, labels, told.append)
    if trained := _trained(paths[file] for file in truth):
        told.append(f"the bundled models were trained on {trained} of these files: no measure of sounds new to them")
    folder = Path(os.path.expanduser(options.folder)).absolute()
    output = options.output or folder.with_name(f"{folder.name}-classified")
    make_folder(output)
    sys.stderr.writelines(f"{line}\n" for line in told)
    model = checkpoint.load(options.model, options.device, report=show_progress)
    embeddings, skipped = _embed(model, paths)
    predictions = classification.classify(model, embeddings, labels, truth)
    report = classification.to_report(predictions, labels)
    report = {
        "model": model.name,
        "model_version": model.version,
        "fingerprint": model.fingerprint,
        "labels": len(labels.all),
        "labels_in_every_language": len(labels.common),
        "files": len(embeddings),
        "skipped": skipped,
        "without_truth": [file for file in embeddings if file not in truth],
        **report,
    }
    written = {"predictions.csv": classification.to_csv(predictions, truth)}
    written["report.json"] = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    for name, text in written.items():
        atomic.write_text(output / name, text)
    sys.stdout.write("\n".join(_told(report)) + "\n")
    sys.stdout.write(f"written: {', '.join(str(output / name) for name in written)}\n")


def _files(folder: Path) -> dict[str, Path]:
    """Return the sounds and pictures below a folder by their place in it, sorted."""
    from cacara.galleries.file_names import as_text
    from cacara.media.formats import PICTURES, SOUNDS

    folder = Path(os.path.expanduser(folder)).absolute()
    if not folder.is_dir():
        raise GalleryError(f"no folder {folder}; wanted one with sounds or pictures")
    known = {*SOUNDS, *PICTURES}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())
    if not found:
        raise GalleryError(f"{folder} holds no sounds or pictures; wanted files such as .wav, .mp3, .ogg, .png or .jpg")
    return {as_text(path.relative_to(folder).as_posix()): path for path in found}


def _trained(paths: Iterable[Path]) -> int:
    """Return how many files are sounds of the default gallery that the bundled models were trained on."""
    from cacara.galleries import default_gallery

    splits = default_gallery.splits()
    return sum(splits.get(hashlib.sha256(path.read_bytes()).hexdigest()) == "train" for path in paths)


def _embed(model: Cacara, files: Mapping[str, Path]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return embeddings by file, and why others have none."""
    embeddings: dict[str, np.ndarray] = {}
    skipped: dict[str, str] = {}
    for number, (name, path) in enumerate(files.items()):
        show_progress(Progress("files", "embed", number / len(files)))
        try:
            embeddings[name] = _embed_one(model, path)
        except CacaraError as error:
            skipped[name] = str(error)
            sys.stderr.write(f"skipped {name}: {error}\n")
    show_progress(Progress("files", "embed", 1.0))
    if not embeddings:
        raise GalleryError(f"none of the {len(files)} files can be used; the first: {next(iter(skipped.values()))}")
    return embeddings, skipped


def _embed_one(model: Cacara, path: Path) -> np.ndarray:
    from cacara.media import audio, images
    from cacara.media.formats import SOUNDS
    from cacara.search import sights

    if path.suffix.lower() in SOUNDS:
        try:
            recording = audio.load(path, audio.GALLERY_LIMITS)
            for note in recording.notes:
                sys.stderr.write(f"note: {path.name}: {note}\n")
            return model.encode_audio([recording.waveform])[0]
        except AudioError:
            if not (sights.is_video(path) and model.sees):
                raise
    if not model.sees:
        raise GalleryError(f"the model {model.name} knows no pictures; wanted a sound, or a model with an image side")
    return sights.embed(model, sights.load(path, images.GALLERY_LIMITS))


def _told(report: Mapping[str, Any]) -> Sequence[str]:
    """Return the report as lines of Markdown."""
    lines = [f"# {report['files']} files, {report['labels']} labels, {report['model']} {report['model_version']}", ""]
    if report["mean"] is None:
        return [*lines, f"no truth is known, so nothing is counted; languages: {', '.join(report['languages'])}"]
    lines += ["| language | top 1 | 95 % | top 5 | 95 % | chance | files | classes |", "|---" * 8 + "|"]
    rows = [(code, found) for code, found in report["languages"].items() if found["with_truth"]]
    for code, found in sorted(rows, key=lambda row: (row[1]["top_1"], row[0])):
        cells = [
            code,
            *_accuracy(found),
            f"{found['chance_top_1']:.1f}",
            str(found["with_truth"]),
            str(found["classes"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if report["labels_in_every_language"] < report["labels"]:
        note = f"only {report['labels_in_every_language']} of {report['labels']} classes have a name in every language"
        lines += ["", f"note: {note}, so languages are not to be compared; --common keeps those"]
        return lines
    mean = f"mean of {report['mean']['languages']}"
    return [*lines, f"| {' | '.join([mean, *_accuracy(report['mean']), '', '', ''])} |"]


def _accuracy(found: Mapping[str, Any]) -> list[str]:
    cells = []
    for depth in (1, 5):
        cells += [f"{found[f'top_{depth}']:.1f}", "{:.1f}–{:.1f}".format(*found[f"ci95_top_{depth}"])]
    return cells
