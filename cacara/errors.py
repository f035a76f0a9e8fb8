"""The errors a user of CACARA Studio may meet. Each message says what was found and what is wanted."""


class CacaraError(Exception):
    """Root of every error this package raises on purpose; its text is safe to show to a user."""


class AudioError(CacaraError):
    """A sound cannot be used: not audio, too long, too short, silent, damaged."""


class CheckpointError(CacaraError):
    """A model folder is missing, damaged, or written by an incompatible version."""


class DeviceError(CacaraError):
    """The device or precision asked for does not exist on this machine."""


class GalleryError(CacaraError):
    """There are no sounds to search, or a gallery folder cannot be read."""


class ImageError(CacaraError):
    """A picture cannot be used: not a picture, of a format that is not read, too large, damaged."""


class LanguageError(CacaraError):
    """A string is not a language code."""


class LexiconError(CacaraError):
    """A lexicon is missing or damaged, or cannot be written."""


class ManifestError(CacaraError):
    """A manifest or benchmark file is malformed, or breaks a rule of its split."""


class QueryError(CacaraError):
    """A query is empty, too long, or has nothing to search for."""


class RegistryError(CacaraError):
    """A model is not among those that can be chosen, or may not or cannot be promoted."""


class SourceError(CacaraError):
    """A package of weights or sounds could not be fetched, verified or unpacked."""
