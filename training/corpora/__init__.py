"""Sounds of other packages as training clips with English captions, apart from the benchmark's."""

from training.corpora.collect import collect
from training.corpora.split import check_leakage, train_clips, without_held_out

__all__ = ["check_leakage", "collect", "train_clips", "without_held_out"]
