"""The About tab as a visitor meets it."""

from __future__ import annotations

from tabs import open_unspoken


def open_tab(page):
    if page.locator("#about-tab-button:visible").count():
        page.click("#about-tab-button:visible")
    else:
        page.click("#tabs .overflow-menu > button")
        page.click("#tabs .overflow-dropdown button >> nth=-1")
    page.wait_for_selector("#about .about")


def test_models_storage_versions_and_ones_own_name_are_told(open_page):
    page = open_page(wait=False)
    open_tab(page)
    assert "none yet" in page.inner_text("#about .token")
    assert page.locator("#about section").count() == 4
    page.click("#about summary >> text=Python packages")
    assert "gradio" in page.inner_text("#about details[open] >> nth=-1")
    page.evaluate("localStorage.setItem('cacara-annotator', '<b>me</b>')")
    page.reload()
    page.wait_for_selector("#query textarea")
    open_tab(page)
    page.wait_for_function("document.querySelector('#about .token').textContent === '<b>me</b>'")


def test_a_tab_that_is_opened_before_the_page_speaks_the_visitors_language_speaks_it(open_page):
    page, go_on = open_unspoken(open_page, "ar-EG")
    open_tab(page)
    page.wait_for_selector("#about .about[dir=rtl]")
    go_on()


def test_the_tab_fits_a_phone_and_reads_from_the_right(open_page):
    page = open_page(wait=False, locale="ar-EG", viewport={"width": 360, "height": 800})
    open_tab(page)
    page.wait_for_selector("#about .about[dir=rtl]")
    page.evaluate("document.querySelectorAll('.about details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
