"""CACARA Studio's library: sounds and texts of many languages in one space.

``checkpoint.load`` gives a model, ``setup.prepare`` a retriever over a gallery.
"""
