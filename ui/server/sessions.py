"""Gradio's memory of open pages, without the copies that it keeps for links which this app does not offer."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, cast

from gradio import state_holder

if TYPE_CHECKING:
    from gradio.blocks import Blocks


class Session(state_holder.SessionState):
    """One page's state; the config of a component is written down when its value changes, not of all at the start.

    Gradio reads them all only for its deep links, whose route is closed (``admission``), and takes each call of a
    program for a new page: their configs took a ninth of the time of a call and 0.6 MB of memory.
    """

    def __init__(self, blocks: Blocks) -> None:
        """Make the state of a page that has just been opened."""
        bare = types.SimpleNamespace(default_config=blocks.default_config, blocks={})
        super().__init__(cast("Blocks", bare))


def use() -> None:
    """Let every page that is opened from now on be a ``Session``."""
    state_holder.SessionState = Session  # type: ignore[misc]
