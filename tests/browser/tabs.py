"""How a visitor reaches a tab: by its button, or on a narrow page through the menu of those that do not fit."""

from __future__ import annotations

import re


def show_tab(page, name: str) -> None:
    """Open the tab whose ``elem_id`` is ``NAME-tab``."""
    button = page.locator(f"#tabs .tab-container:not(.visually-hidden) #{name}-tab-button")
    if button.count() and button.first.is_visible():
        button.first.click()
        return
    label = page.locator(f"#{name}-tab-button").first.text_content().strip()
    page.click("#tabs .overflow-menu > button")
    page.locator("#tabs .overflow-dropdown button").filter(has_text=re.compile(f"^\\s*{re.escape(label)}\\s*$")).click()
