"""Model cards of fine-tunings on feedback: what stands before the base model's card."""

from __future__ import annotations

from collections.abc import Mapping

from training.feedback.manifest import Manifest


def about(manifest: Manifest, base: str, kinds: Mapping[str, int]) -> str:
    """Return what the card says of the training, Markdown.

    Args:
        manifest: Training data.
        base: Name and version of the base model.
        kinds: Kind of clip → judged pairs trained on.
    """
    trained = ", ".join(f"{count} pairs with {kind}s" for kind, count in kinds.items())
    return (
        f"# {base}, fine-tuned on feedback\n\n"
        f"Its heads were fine-tuned on the judgements in manifest {manifest.hash} of {manifest.date} ({trained}), with "
        f"a pull towards {base}. Texts and towers are those of the base model, bit by bit; its card follows.\n"
    )
