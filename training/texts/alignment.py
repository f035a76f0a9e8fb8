"""A better text side for a model that exists: low-rank updates inside its text encoder, from texts alone.

The frozen encoder knows bare nouns of small languages badly, and a model that only aligns sounds cannot exceed it.
Here a translation is taught to land where the frozen encoder puts its English text. That target never moves, so the
audio and image sides, which were aligned to it, stay as they are, bit by bit. As in "Making Monolingual Sentence
Embeddings Multilingual using Knowledge Distillation" (arXiv 2004.09813), equation 1, but by a softmax over every
English text that is known, since distance to the right word matters only beside the distance to the wrong ones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.encoders.text import TextTower
from cacara.errors import ManifestError
from cacara.model import checkpoint, seen_texts, training_facts
from cacara.model.model import Cacara
from cacara.model.parts import lora
from cacara.model.parts.centring import LanguageCentring
from cacara.model.towers import TowerUpdates
from cacara.model.training_facts import TrainingFacts
from training import loop, run_folder
from training.data import cached_arrays, text_statistics, translations
from training.data.translations import Translation
from training.loop import LoopOptions
from training.run_folder import RunError
from training.texts import card as text_card

FORMAT = 1
SENTENCE_WORDS = 3
"""An English text of so many words is taken for a sentence."""
DRAWN_PER_TAKEN = 6
"""A batch is a run of texts of like length out of so many times as many: less padding."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TextAlignmentOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        recipe: The recipe's file, named in the card.
        policy: Which texts it may see: ``strict`` or ``studio``, see ``training.data.translations``.
        rank: Of the updates.
        max_tokens: Longer texts, prefix included, are left out.
        vocabulary: How many English words are kept: those nearest to a class that the model's audio or image tower
            knows by name. What can be neither heard nor seen would only use up steps. 0 keeps all.
        sentence_share: Share of the steps that learn from sentences (``SENTENCE_WORDS`` and up) in place of words. 0
            takes both for words, longer ones than ``max_tokens`` left out.
        sentence_tokens: Longer sentences, prefix included, are left out.
        sentences: How many English sentences are kept; as ``vocabulary``.
        composed: How many pairs of common words are made into sentences, in every language that has both: a text that
            names two things is between them in English, and has to be so elsewhere.
        captions: How many of AudioCaps' English captions are among the texts that have to stay where they are.
        temperature: Of the softmax over English texts.
        cosine_weight: Weight of the pull towards the target beside the softmax.
        identity_share: Share of a batch that are English texts themselves, which have to stay where they are.
        loop: How long and how fast.
    """

    name: str
    version: str
    recipe: str
    policy: Literal["strict", "studio"]
    rank: int = 16
    max_tokens: int = 14
    vocabulary: int = 0
    sentence_share: float = 0.0
    sentence_tokens: int = 24
    sentences: int = 0
    composed: int = 0
    captions: int = 0
    temperature: float = 0.05
    cosine_weight: float = 1.0
    identity_share: float = 0.06
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        for name in ("rank", "max_tokens", "sentence_tokens", "temperature"):
            if getattr(self, name) <= 0:
                raise RunError(f"{name} is {getattr(self, name)}; wanted more than 0")
        for name in ("vocabulary", "sentences", "composed", "captions"):
            if getattr(self, name) < 0:
                raise RunError(f"{name} is {getattr(self, name)}; wanted 0 or more")
        for name in ("identity_share", "sentence_share"):
            if not 0 <= getattr(self, name) < 1:
                raise RunError(f"{name} is {getattr(self, name)}; wanted 0 or more, below 1")
        if not self.sentence_share and (self.sentences or self.composed or self.captions):
            raise RunError("sentence_share is 0; wanted more, as sentences, composed or captions is not 0")


@dataclasses.dataclass(frozen=True)
class Texts:
    """Data of one kind of step.

    Attributes:
        pairs: Translations.
        english: Texts that have to stay where they are; those of the pairs among them.
        max_tokens: Longer translations are left out, longer English texts cut; prefix included.
    """

    pairs: Sequence[Translation]
    english: Sequence[str]
    max_tokens: int


class TranslationBatches:
    """Translations with the English text they belong to, drawn so that no language drowns the others.

    A step takes words or sentences, which are of unlike length. A language is drawn with the square root of its number
    of pairs; within it a pair with the number of languages that its English text is translated into: common words
    first.
    """

    def __init__(
        self, words: Texts, sentences: Texts, english: Sequence[str], tower: TextTower, options: TextAlignmentOptions
    ) -> None:
        """Tokenise everything once.

        Args:
            words: Short texts.
            sentences: The others; none when ``sentence_share`` is 0.
            english: The English texts of both, in the order of the targets.
            tower: Whose tokenizer is used.
            options: The model.

        Raises:
            ManifestError: No pair is short enough.
        """
        number = {text: position for position, text in enumerate(english)}
        self._words = _Pool(words, number, tower)
        self._sentences = _Pool(sentences, number, tower) if options.sentence_share else self._words
        self._options = options

    def __len__(self) -> int:
        """Return the number of pairs."""
        return sum(len(pool.ids) for pool in {self._words, self._sentences})

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return as many texts as there are ``indices``, drawn by weight for this step.

        Returns:
            ``input_ids`` and ``attention_mask``, int64 [N, tokens], and ``labels``, int64 [N], of English texts.
        """
        rng = np.random.default_rng([seed, step, 2])
        share = self._options.sentence_share
        pool = self._sentences if share and rng.random() < share else self._words
        texts, labels = pool.draw(len(indices), self._options.identity_share, rng)
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in texts], batch_first=True, padding_value=1)
        lengths = torch.tensor([len(row) for row in texts])
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.from_numpy(labels)}


class _Pool:
    """Texts of one kind, tokenised, with their weights."""

    def __init__(self, texts: Texts, number: Mapping[str, int], tower: TextTower) -> None:
        tokens = _tokens(tower, [pair.text for pair in texts.pairs])
        short = [i for i, ids in enumerate(tokens) if len(ids) <= texts.max_tokens]
        if not short:
            raise ManifestError(f"none of {len(texts.pairs)} pairs has at most {texts.max_tokens} tokens")
        self.ids = [tokens[i] for i in short]
        self._labels = np.array([number[texts.pairs[i].english] for i in short])
        self._cumulated = np.cumsum(_weights([texts.pairs[i] for i in short]))
        self._english = [ids[: texts.max_tokens] for ids in _tokens(tower, texts.english)]
        self._english_labels = np.array([number[text] for text in texts.english])

    def draw(self, count: int, identity_share: float, rng: np.random.Generator) -> tuple[list[list[int]], np.ndarray]:
        """Return the tokens of ``count`` texts, and labels, int64 [count]."""
        same = round(count * identity_share)
        wanted = count - same
        points = rng.random(wanted * DRAWN_PER_TAKEN) * self._cumulated[-1]
        drawn = np.searchsorted(self._cumulated, points, side="right").clip(max=len(self.ids) - 1)
        drawn = drawn[np.argsort([len(self.ids[i]) for i in drawn], kind="stable")]
        start = int(rng.integers(DRAWN_PER_TAKEN)) * wanted
        chosen = drawn[start : start + wanted]
        kept = rng.integers(0, len(self._english), same)
        texts = [self.ids[i] for i in chosen] + [self._english[i] for i in kept]
        return texts, np.concatenate([self._labels[chosen], self._english_labels[kept]])


class TextAlignment(nn.Module):
    """The text tower with its updates, against the targets of the English texts."""

    targets: Tensor
    centre: Tensor

    def __init__(self, tower: TextTower, targets: Tensor, centre: Tensor, options: TextAlignmentOptions) -> None:
        """Put the parts together.

        Args:
            tower: With ``LoraLinear`` inside.
            targets: float32 [texts, dimension], L2-normalised: the frozen tower's English texts, centred.
            centre: float32 [dimension], the frozen tower's mean of English.
            options: The model.
        """
        super().__init__()
        self.tower = tower
        self.options = options
        self.register_buffer("targets", targets, persistent=False)
        self.register_buffer("centre", centre, persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch of ``TranslationBatches``."""
        embedded = self.tower(batch["input_ids"], batch["attention_mask"])
        with torch.autocast(embedded.device.type, enabled=False):
            student = functional.normalize(embedded.float() - self.centre, dim=-1)
            softmax = functional.cross_entropy(student @ self.targets.T / self.options.temperature, batch["labels"])
            pull = 1 - (student * self.targets[batch["labels"]]).sum(1).mean()
        return {"loss": softmax + self.options.cosine_weight * pull, "softmax": softmax, "pull": pull}


def train(options: TextAlignmentOptions, base: str | Path, output: Path, benchmark: Path) -> Path:
    """Train the text side of ``base`` and write the model to ``output / "final"``; run again to go on.

    Args:
        options: The model.
        base: A model's name or folder; its audio and image sides are copied bit by bit.
        output: The run's folder.
        benchmark: The frozen benchmark, whose texts are kept out as the policy says.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: The benchmark cannot be read.
        RunError: Options do not fit, or ``output`` holds another run.
        CheckpointError: ``base`` is no model of a text tower without updates.
    """
    watch, accelerator = run_folder.Watch(output), loop.start(options.loop)
    with accelerator.main_process_first():
        folders = sources.fetch_all(
            (*translations.ALL_SOURCES, translations.CAPTIONS), lambda progress: log.info("%s", progress)
        )
        rows = benchmark_file.read(benchmark)
        pairs = [pair for pair in _pairs(folders, options, benchmark) if ":" not in pair.english]
        model = checkpoint.load(base, device="cpu")
        if checkpoint.has_text_updates(base):
            raise RunError(f"the text side of {base} is trained already; wanted a model with the frozen text tower")
        run_folder.claim(output, _described(options, model.fingerprint, rows, pairs))
        tower, centre = model.text, model.centring.mean_of("en")
        words, sentences, captions = _chosen(pairs, model, folders, options, benchmark)
        pairs = [*words, *sentences]
        english = sorted({pair.english for pair in (*words, *sentences)} | set(captions))
        targets = functional.normalize(torch.from_numpy(_embedded(tower, english)) - centre, dim=-1)
        data = TranslationBatches(
            Texts(words, sorted({pair.english for pair in words}), options.max_tokens),
            Texts(sentences, sorted({pair.english for pair in sentences} | set(captions)), options.sentence_tokens),
            english,
            tower,
            options,
        )
        log.info("%d pairs, %d English texts", len(data), len(english))
    torch.manual_seed(options.loop.seed)
    attached = lora.attach(tower.encoder, options.rank, _is_read)
    loop.train(TextAlignment(tower, targets, centre, options), data, options.loop, output)
    final = output / "final"
    if accelerator.is_main_process:
        trained = lora.state(attached)
        write(final, checkpoint.find(base), options, model.centring, trained, pairs, captions, rows, watch.minutes())
    return final


def _chosen(
    pairs: Sequence[Translation],
    model: Cacara,
    folders: Mapping[str, Path],
    options: TextAlignmentOptions,
    benchmark: Path,
) -> tuple[list[Translation], list[Translation], list[str]]:
    """Return the words, the sentences, and the captions that are trained on."""
    if not options.sentence_share:
        return _nearest_pairs(pairs, model, options.vocabulary), [], []
    words = [pair for pair in pairs if len(pair.english.split()) < SENTENCE_WORDS]
    words = _nearest_pairs(words, model, options.vocabulary)
    sentences = [pair for pair in pairs if len(pair.english.split()) >= SENTENCE_WORDS]
    sentences = _nearest_pairs(sentences, model, options.sentences)
    composed = translations.compose(words, options.composed, options.loop.seed)
    sentences += translations.allowed(composed, options.policy, benchmark)
    captions = translations.english_captions(folders[translations.CAPTIONS], options.policy, benchmark)
    chosen = np.random.default_rng([options.loop.seed, 3]).permutation(len(captions))[: options.captions]
    return words, sentences, [captions[i] for i in sorted(chosen)]


def _nearest_pairs(pairs: Sequence[Translation], model: Cacara, count: int) -> list[Translation]:
    """Return the pairs of the ``count`` English texts that come nearest to a known class; all of them for 0."""
    if not count:
        return list(pairs)
    english = sorted({pair.english for pair in pairs})
    embedded = torch.from_numpy(_embedded(model.text, english)) - model.centring.mean_of("en")
    kept = {english[i] for i in nearest(functional.normalize(embedded, dim=-1), _known_classes(model), count)}
    return [pair for pair in pairs if pair.english in kept]


def nearest(texts: Tensor, classes: Tensor, count: int) -> list[int]:
    """Return the positions, ascending, of the ``count`` texts that come nearest to any class.

    Args:
        texts: float32 [texts, dimension], L2-normalised.
        classes: float32 [classes, dimension], L2-normalised.
        count: 1 or more; all when there are no more texts.
    """
    closeness = torch.cat([(part @ classes.T).amax(1) for part in texts.split(4096)])
    return sorted(closeness.topk(min(count, len(texts))).indices.tolist())


def _known_classes(model: Cacara) -> Tensor:
    """Return the embeddings of the class names that the model's towers know, float32 [classes, dimension]."""
    return functional.normalize(torch.cat([head.class_embeddings.float() for head in model.heads]), dim=-1)


def _is_read(layer: str) -> bool:
    """Return whether a layer has a part in the mean over tokens: BERT's own pooler has none."""
    return not layer.startswith("pooler.")


def write(
    folder: Path,
    base: Path,
    options: TextAlignmentOptions,
    centring: LanguageCentring,
    updates: Mapping[str, Tensor],
    pairs: Sequence[Translation],
    captions: Sequence[str],
    benchmark: benchmark_file.Rows,
    minutes: float | None = None,
) -> None:
    """Write the model: ``base`` with the updates, card and statement of what its text side saw.

    Args:
        folder: Target.
        base: The folder of the model whose text side was trained.
        options: The model.
        centring: The languages' means of that model.
        updates: As ``lora.state`` returns them.
        pairs: What it was trained on.
        captions: English captions that it was kept in place by.
        benchmark: All rows of the frozen benchmark.
        minutes: How long the training took, where that is known.
    """
    config = dataclasses.replace(checkpoint.read_config(base), name=options.name, version=options.version)
    before = seen_texts.read(base)
    texts = {text for pair in pairs for text in (pair.english, pair.text)} | set(captions)
    statement = benchmark_file.seen_of(benchmark, texts, before.concepts if before else ())
    halves = {name: value.half() for name, value in updates.items()}
    card = text_card.render(base, config, options, pairs, len(captions), halves)
    own = TrainingFacts(translations=len(pairs), minutes=minutes)
    card = training_facts.into_card(card, training_facts.of_card(card).plus(own))
    # The updates bring every language's texts to those of English, so that all share the centre of English.
    centring = centring.of_one_language("en")
    updated = TowerUpdates(text_lora=halves)
    checkpoint.save(folder, config, [centring], card, base=base, updates=updated, seen=statement, storage="shared")


def _pairs(folders: Mapping[str, Path], options: TextAlignmentOptions, benchmark: Path) -> list[Translation]:
    return translations.allowed(translations.collect(folders), options.policy, benchmark)


def _described(
    options: TextAlignmentOptions, fingerprint: str, rows: benchmark_file.Rows, pairs: Sequence[Translation]
) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([dataclasses.astuple(pair) for pair in pairs]).encode()).hexdigest()[:12]
    record = run_folder.describe(dataclasses.asdict(options), rows.hash, ())
    return record | {"base": fingerprint, "pairs": {"count": len(pairs), "hash": digest}}


def _tokens(tower: TextTower, texts: Sequence[str]) -> list[list[int]]:
    prefixed = [tower.config.prefix + text for text in texts]
    return tower.tokenizer(prefixed, truncation=True, max_length=tower.config.max_tokens)["input_ids"]


def _weights(pairs: Sequence[Translation]) -> np.ndarray:
    """Return each pair's weight, float64 [pairs]; see ``TranslationBatches``."""
    languages_of = Counter(english for english, _ in {(pair.english, pair.language) for pair in pairs})
    commonness = np.array([min(languages_of[pair.english], 30) for pair in pairs], np.float64)
    language = np.unique([pair.language for pair in pairs], return_inverse=True)[1]
    share = np.sqrt(np.bincount(language)) / np.bincount(language, weights=commonness)
    return commonness * share[language]


def _embedded(tower: TextTower, texts: Sequence[str]) -> np.ndarray:
    """Return the frozen tower's embeddings of the English texts, from the cache when they are there."""
    key = [FORMAT, dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower), list(texts)]
    return cached_arrays.get("english", key, lambda: {"embeddings": text_statistics.embed(tower, texts)})["embeddings"]
