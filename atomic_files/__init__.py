"""Atomic writes: a file or folder is written beside its place and then put there, whole or not at all.

A leaf that all packages import; ``cacara.files`` and ``feedback_db`` write by it.
"""

from atomic_files.writing import SUFFIX, replacing, write_text

__all__ = ["SUFFIX", "replacing", "write_text"]
