"""Corpora: what training clips, words and sentences are read from.

Sounds of packages become clips with English captions, apart from the benchmarks' (``train_clips``): ``packages``
says where they lie, ``rules`` what they are of, ``credits`` by whom and under what licence; ``collect`` reads them,
``split`` takes out what the benchmarks hold, by ``fingerprint`` and ``recordings`` also in another encoding.
``captioned_folders`` reads a user's own. Words and sentences are read by ``words``, a module a collection.
"""

from training.data.corpora.collect import collect
from training.data.corpora.split import check_leakage, held_out_sources, train_clips, train_recordings, without_held_out

__all__ = ["check_leakage", "collect", "held_out_sources", "train_clips", "train_recordings", "without_held_out"]
