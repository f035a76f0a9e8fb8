"""axe over every tab, light and dark: nothing that keeps people out; and a frame that fits every screen."""

from __future__ import annotations

import pytest

from cacara import sources

RUN = """async () => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.filter((each) => ["serious", "critical"].includes(each.impact))
        .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.target.join(" ")}`));
}"""
SETTLING_MS = 1500


def tab_ids(page) -> list[str]:
    """The tabs' buttons by their place; on a narrow page some of them are in a menu."""
    return page.eval_on_selector_all(
        "#tabs .tab-container.visually-hidden button", "all => all.map(b => b.textContent)"
    )


def open_nth(page, name: str) -> None:
    button = page.locator("#tabs .tab-container:not(.visually-hidden) button", has_text=name).first
    if button.count() and button.is_visible():
        button.click()
    else:
        page.click("#tabs .overflow-menu > button")
        page.locator("#tabs .overflow-dropdown button", has_text=name).first.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_keeps_anybody_out(open_page, scheme):
    page = open_page(color_scheme=scheme)
    page.add_script_tag(path=sources.fetch("axe") / "package" / "axe.min.js")
    names = [name.strip() for name in tab_ids(page)]
    assert len(names) >= 4
    wrong = {}
    for name in names:
        open_nth(page, name)
        page.wait_for_timeout(SETTLING_MS)
        if found := page.evaluate(RUN):
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("width", [360, 768, 1280, 2560])
def test_the_frame_fits_every_screen(open_page, width):
    page = open_page(wait=False, viewport={"width": width, "height": 800})
    page.wait_for_timeout(SETTLING_MS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#heading h1", "#interface input", "#tabs button[role=tab] >> nth=0"):
        assert page.locator(f"{name} >> visible=true").first.is_visible(), name
    names = [name.strip() for name in tab_ids(page)]
    open_nth(page, names[-1])
    page.wait_for_selector("#about .about")


def test_fonts_come_from_this_machine_and_only_for_scripts_that_are_shown(open_page):
    asked: list[str] = []
    page = open_page(wait=False)
    page.on("request", lambda request: asked.append(request.url) if "/fonts/" in request.url else None)
    page.reload()
    page.wait_for_selector("link[href='fonts/faces.css']", state="attached")
    page.wait_for_timeout(SETTLING_MS)
    assert any(url.endswith("faces.css") for url in asked)
    assert len(asked) < 60, "a page loads a few ranges, not whole fonts"
