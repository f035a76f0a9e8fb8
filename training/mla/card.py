"""The section of a model's card on its language acquirers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cacara import languages, sources
from cacara.model.config import ModelConfig
from cacara.model.parts.acquirer_files import AcquirerFile
from training import card as model_card
from training.data.translations import Translation
from training.mla.exposure import Exposure

if TYPE_CHECKING:
    from training.mla.acquisition import LanguageAcquisitionOptions

HEADING = "Language acquirers"

_ABOUT = """\
Sounds and pictures in the space of a frozen English text encoder, aligned on English captions only. Other languages
reach it by acquirers that were trained on translations (MLA, arXiv 2206.11091): the last section describes them."""
_HELD = """\
**In this folder**: the layer W_e ({shared:,} parameters) and, under `acquirers/`, one file a language ({each:,}
  parameters, half precision; of 100 training texts a language that changes no cosine with an English one by more than
  {rounding:.1e}). Everything else is `{base}`, bit by bit; an English text, or one of a language that is not listed
  here, goes through its text tower as if nothing had been added."""
_EMBEDDING = """\
**Not in this folder**: the token embeddings of {embedding}, frozen, which W_e brings into the text tower."""
_MADE = """\
`python -m training language_acquisition --recipe {recipe} --output runs/{name}` with seed {seed}: stages {stages}, on
{pairs:,} translations of {english:,} English texts{exposure}. The method is MLA (arXiv 2206.11091){beyond}."""


def render(
    base: Path,
    config: ModelConfig,
    options: LanguageAcquisitionOptions,
    shared: int,
    files: Sequence[AcquirerFile],
    pairs: Mapping[str, Sequence[Translation]],
    seen: Exposure | None,
    rounding: float,
) -> str:
    """Return the base's card under the new name, with a section on the acquirers at its end.

    Args:
        base: The folder of the model that got them.
        config: The new model's config.
        options: Trained parts.
        shared: Parameters of ``W_e``.
        files: The trained acquirers.
        pairs: Training data.
        seen: Sounds and pictures of language exposure; None without.
        rounding: By how much half precision changes a score at most.
    """
    card, base_name = model_card.of_base(base, config, _ABOUT)
    counts = seen.count() if seen else {}
    flat = [pair for own in pairs.values() for pair in own]
    each = sum(value.numel() for value in files[0].tensors.values()) if files else 0
    listed = (
        _HELD.format(shared=shared, each=each, rounding=rounding, base=base_name),
        _EMBEDDING.format(embedding=options.embedding),
        f"**What text it saw** (policy `{options.policy}`): {model_card.POLICIES[options.policy]}",
    )
    made = _MADE.format(
        recipe=options.recipe,
        name=config.name,
        seed=options.stages[0].loop.seed,
        stages=" → ".join(f"{stage.stage} ({stage.loop.steps} × {stage.loop.batch_size})" for stage in options.stages),
        pairs=len(flat),
        english=len({pair.english for pair in flat}),
        exposure=f" and {sum(counts.values()):,} texts of train sounds and train stamps" if counts else "",
        beyond=", with a softmax over the English texts beside its squared error" if options.softmax_weight else "",
    )
    of_languages = [
        (f"{languages.describe(code).english_name} (`{code}`)", f"{len(own):,}", counts.get(code, 0))
        for code, own in pairs.items()
    ]
    of_sources = [
        (key, sources.source(key).licence, f"{count:,}")
        for key, count in sorted(Counter(pair.source for pair in flat).items())
    ]
    return model_card.with_section(
        card,
        HEADING,
        model_card.items(listed),
        made,
        model_card.table(("language", "pairs", "texts with a sound or picture"), of_languages),
        model_card.table(("source", "licence of the package", "pairs"), of_sources),
    )
