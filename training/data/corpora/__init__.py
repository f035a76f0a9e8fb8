"""Sounds of other packages as training clips with English captions, apart from the benchmark's."""

from training.data.corpora.collect import collect
from training.data.corpora.split import check_leakage, held_out_sources, train_clips, without_held_out

__all__ = ["check_leakage", "collect", "held_out_sources", "train_clips", "without_held_out"]
