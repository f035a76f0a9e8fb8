"""Atomic writes of the core: those of ``atomic_files``."""

from atomic_files import SUFFIX, replacing, write_text

__all__ = ["SUFFIX", "replacing", "write_text"]
