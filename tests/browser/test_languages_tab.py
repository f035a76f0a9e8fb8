"""The Languages tab as a visitor meets it."""

from __future__ import annotations

from tabs import show_tab

from cacara.languages import coverage


def open_tab(page):
    show_tab(page, "languages")
    page.wait_for_selector("#languages tbody tr")


def names(page) -> list[str]:
    return page.eval_on_selector_all("#languages tbody tr:not([hidden])", "rows => rows.map(r => r.dataset.find)")


def test_the_table_is_filtered_sorted_and_told_in_words(open_page):
    page = open_page()
    assert page.locator("#languages tbody tr").count() == 0, "the table is sent when it is asked for"
    open_tab(page)
    rows = coverage.load().rows
    assert page.locator("#languages tbody tr").count() == len(rows)

    page.fill("#languages input[type=search]", "kiswahili")
    assert names(page) == ["sw swahili kiswahili latn"]
    assert page.inner_text("#languages .shown") == f"1 of {len(rows)}"
    page.click("#languages tbody tr:not([hidden]) button")
    told = page.inner_text("#languages .told")
    assert told.startswith("Kiswahili The text encoder was trained on it.") and "pieces on average" in told
    assert page.get_attribute("#languages tbody tr:not([hidden]) button", "aria-pressed") == "true"

    page.fill("#languages input[type=search]", "")
    page.click("#languages thead button >> text=Unknown")
    strangest = max((row for row in rows if row.unknown_share is not None), key=lambda row: row.unknown_share)
    assert names(page)[0].startswith(f"{strangest.code} ")
    page.click("#languages thead button >> text=Language")
    first = min(rows, key=lambda row: row.name.casefold())
    assert names(page)[0].startswith(f"{first.code} ")
    assert page.get_attribute("#languages thead th:first-child", "aria-sort") == "ascending"


def test_the_table_speaks_the_interfaces_language_and_fits_a_phone(open_page):
    page = open_page(locale="ar-EG", viewport={"width": 390, "height": 800})
    open_tab(page)
    assert page.get_attribute("#languages .languages", "dir") == "rtl"
    page.click("#languages tbody tr[data-find^='he '] button")
    assert "עברית" in page.inner_text("#languages .told")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page itself does not scroll sideways"
    )
