"""Personal words: what people taught or took back, word by word, kept in one file beside the promoted models.

A line of the file is one entry, JSON. The file holds what counts: an entry that is taken away leaves no trace, as what
a person asked to be deleted must not. Entries are appended, and removed by writing the file anew, both under a lock, so
that any number of processes may write; readers need no lock and see a change with their next look.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import threading
import unicodedata
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from cacara import languages
from cacara.errors import LanguageError, LexiconError
from cacara.languages import spelling
from cacara.lexicon import word_forms
from cacara_files import atomic

DEFAULT_PLACE = Path("data/models/words.jsonl")
"""Where the app and the commands keep them unless told otherwise: beside the promoted models."""
MAX_WORDS = 200_000
MAX_ENGLISH_CHARACTERS = 100
MAX_TEXT_CHARACTERS = 60
MAX_NOTE_CHARACTERS = 200

_Stamp = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class PersonalWord:
    """A word or phrase of a language with what it means in English, or does not mean.

    Attributes:
        language: BCP-47, not English; private ones (``x-foo``) too.
        text: The word, or a phrase of up to ``word_forms.PHRASE_WORDS`` words, NFC.
        english: Meaning, in English.
        wrong: It does not mean that, whatever the lexicon says.
        source: Where the pair is from: a list's name, a person's remark.
        annotator: Name of the person who gave it; empty for nobody in particular.
        list_id: Of the list that it came with; empty for a single entry.
        created_utc: Time, ISO-8601.
        word_id: Names the entry.

    Raises:
        LexiconError: A field is not as it should be.
        LanguageError: The language is no code.
    """

    language: str
    text: str
    english: str
    wrong: bool = False
    source: str = ""
    annotator: str = ""
    list_id: str = ""
    created_utc: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )
    word_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), bool if field.name == "wrong" else str
            if not isinstance(value, kind):
                raise LexiconError(f"{field.name} is {value!r:.60}; wanted {kind.__name__}")
        for name in ("text", "english", "source", "annotator"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        object.__setattr__(self, "language", languages.normalise(self.language))
        if languages.base(self.language) == "en":
            raise LexiconError(f"the language of {self.text!r:.60} is English; wanted another one")
        if problem := fault(self.text, self.english):
            raise LexiconError(problem)
        for name in ("source", "annotator"):
            if len(getattr(self, name)) > MAX_NOTE_CHARACTERS:
                raise LexiconError(f"{name} has more than {MAX_NOTE_CHARACTERS} characters")

    @property
    def key(self) -> str:
        """The text as a lexicon lists it."""
        return word_forms.key(spelling.plain(self.text, self.language), languages.base(self.language))

    @property
    def about(self) -> tuple[str, str, str]:
        """What two entries have in common of which the later one counts: language, key, English in small letters."""
        return self.language, self.key, self.english.casefold()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return dataclasses.asdict(self)


def fault(text: str, english: str) -> str:
    """Return what is wrong with a plain text and its English; empty for nothing."""
    count = len(word_forms.words(word_forms.normalise(spelling.plain(text))))
    if not count:
        return f"{text!r:.60} has no letters; wanted a word or phrase"
    if count > word_forms.PHRASE_WORDS or len(text) > MAX_TEXT_CHARACTERS:
        return (
            f"{text!r:.80} is too long to be remembered; wanted up to {word_forms.PHRASE_WORDS} words, "
            f"{MAX_TEXT_CHARACTERS} characters"
        )
    if not any(character.isalnum() for character in english) or len(english) > MAX_ENGLISH_CHARACTERS:
        return f"the English is {english!r:.60}; wanted 1 to {MAX_ENGLISH_CHARACTERS} characters, some of them letters"
    return ""


class WordSource(Protocol):
    """Whatever personal words come from."""

    def read(self) -> tuple[PersonalWord, ...]:
        """Return the entries, oldest first; the same tuple as long as they have not changed."""
        ...


@dataclasses.dataclass(frozen=True)
class FixedWords:
    """Entries that do not change."""

    words: tuple[PersonalWord, ...]

    def read(self) -> tuple[PersonalWord, ...]:
        """Return them."""
        return self.words


class PersonalWords:
    """The entries of one file; safe for many threads and processes."""

    def __init__(self, path: Path) -> None:
        """Name the file, which is made with the first entry."""
        self.path = Path(os.path.abspath(path))
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._words: tuple[PersonalWord, ...] = ()

    def __deepcopy__(self, memo: dict[int, object]) -> PersonalWords:
        """Return itself: copies of a model follow the same file."""
        return self

    def read(self) -> tuple[PersonalWord, ...]:
        """Return the entries, oldest first; the same tuple as long as the file has not changed.

        Raises:
            LexiconError: The file cannot be read, or is damaged.
        """
        with self._lock:
            try:
                stamp = _stamp(self.path)
                if stamp != self._stamp:
                    self._words = () if stamp is None else _parsed(self.path)
                    self._stamp = stamp
            except OSError as error:
                raise LexiconError(f"the words {self.path} cannot be read: {error}") from error
            return self._words

    def add(self, words: Iterable[PersonalWord]) -> tuple[PersonalWord, ...]:
        """Keep entries, and return those that say something new; of the same pair the last one counts.

        Raises:
            LexiconError: The file cannot be written, is damaged, or would hold more than ``MAX_WORDS``.
        """
        with self._writing():
            present = self.read()
            standing = {word.about: word.wrong for word in present}
            new: list[PersonalWord] = []
            for word in words:
                if standing.get(word.about) != word.wrong:
                    standing[word.about] = word.wrong
                    new.append(word)
            if len(present) + len(new) > MAX_WORDS:
                raise LexiconError(
                    f"there would be {len(present) + len(new):,} words in {self.path}; wanted at most {MAX_WORDS:,}"
                )
            if new:
                self._append(new)
        return tuple(new)

    def remove(self, word_ids: Collection[str]) -> tuple[PersonalWord, ...]:
        """Take entries away, and return them; what stood before them counts again. Unknown ids are passed over.

        Raises:
            LexiconError: The file cannot be written, or is damaged.
        """
        with self._writing():
            present = self.read()
            gone = tuple(word for word in present if word.word_id in word_ids)
            if gone:
                atomic.write_text(self.path, _lines(word for word in present if word.word_id not in word_ids))
        return gone

    def remove_list(self, list_id: str) -> tuple[PersonalWord, ...]:
        """Take all entries of a list away, and return them.

        Raises:
            LexiconError: The file cannot be written, or is damaged.
        """
        return self.remove({word.word_id for word in self.read() if list_id and word.list_id == list_id})

    def _append(self, words: Sequence[PersonalWord]) -> None:
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)  # a line that a killed process left unfinished never counted
            file.write(_lines(words).encode())
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise LexiconError(f"the words {self.path} cannot be written: {error}") from error


def new_list_id() -> str:
    """Return an id for the entries of a list that is added now."""
    return uuid.uuid4().hex[:12]


def _plain(text: str) -> str:
    kept = "".join(" " if unicodedata.category(character) in ("Cc", "Cs") else character for character in text)
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def _lines(words: Iterable[PersonalWord]) -> str:
    return "".join(json.dumps(word.to_json(), ensure_ascii=False) + "\n" for word in words)


def _parsed(path: Path) -> tuple[PersonalWord, ...]:
    # What stands behind the last line end is being written.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    words = []
    for number, line in enumerate(lines, start=1):
        try:
            words.append(PersonalWord(**json.loads(line)))
        except (ValueError, TypeError, LexiconError, LanguageError) as error:
            raise LexiconError(f"{path}, line {number}: no entry ({error!s:.100})") from error
    return tuple(words)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
