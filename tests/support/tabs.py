"""Opening a tab: by its button, or on a narrow page through the menu of those that do not fit."""

from __future__ import annotations

import re

from ui.page.wording import available, wording

LABELS = {"compare": "compare_tab", "improve": "improve_tab", "teach": "teach_tab"}
"""The key of a tab's label, where it is not its name."""


def show_tab(page, name: str) -> None:
    """Open the tab whose ``elem_id`` is ``NAME-tab``."""
    button = page.locator(f"#tabs .tab-container:not(.visually-hidden) #{name}-tab-button")
    if button.count() and button.first.is_visible():
        button.first.click()
        return
    key = LABELS.get(name, name)  # a button in the menu has no id, and speaks the interface's language
    labels = {re.escape(wording(code)(key)) for _, code in available()}
    page.click("#tabs .overflow-menu > button")
    wanted = re.compile(rf"^\s*({'|'.join(sorted(labels))})\s*$")
    page.locator("#tabs .overflow-dropdown button").filter(has_text=wanted).first.click()


def open_unspoken(open_page, locale):
    """Open the page and hold back what makes it speak the visitor's language.

    Returns:
        The page, and a function that lets it go on and waits until it speaks.
    """
    page = open_page(wait=False, locale=locale)
    held = []
    page.route("**/gradio_api/run/**", lambda route: held.append(route) if held is not None else route.continue_())
    page.reload()
    page.wait_for_selector("#query textarea")
    while not held:
        page.wait_for_timeout(50)
    late, held = held, None
    code = locale.split("-")[0]
    assert page.get_attribute("html", "lang") != code

    def go_on():
        for route in late:
            route.continue_()
        page.wait_for_selector(f"html[lang={code}]", state="attached")

    return page, go_on
