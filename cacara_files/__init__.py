"""Files, for all packages: tables of strangers read, files of our own written whole or not at all.

A leaf: it knows none of the packages that import it.
"""
