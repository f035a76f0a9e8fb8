"""The places that ``--gallery`` may name; nothing is read or fetched here."""

from __future__ import annotations

from pathlib import Path

TUX_PAINT = "tuxpaint"
HUB = "hf://datasets/"

HELP = f"a folder of sounds, {HUB}OWNER/NAME[@REVISION], or {TUX_PAINT}, a small gallery (the default gallery)"


def place(text: str) -> str:
    """Return a gallery's place as every process understands it, whatever folder it works in.

    Args:
        text: A folder, the address of a dataset, or ``tuxpaint``.
    """
    if text == TUX_PAINT or text.startswith(HUB):
        return text
    return str(Path(text).expanduser().absolute())
