"""The Map tab: the drawn map, a query on it, a picked point, a selection that is exported and judged."""

from __future__ import annotations

import csv
import io
import re

import pytest

from feedback_db.store.store import Store

HOSTILE = '"><img src=x onerror=alert(1)><b>dog</b>'
DRAWN_MS = 600_000
"""Timeout for a map: where none is stored yet, the tab fits one, which takes some minutes on a busy machine."""


@pytest.fixture
def page(open_page):
    page = open_page()
    page.set_default_timeout(120_000)
    page.get_by_role("tab", name="Map").click()
    page.wait_for_selector(".map[data-drawn]", timeout=DRAWN_MS)
    return page


def picked(page) -> str:
    return page.locator(".map-side h3").inner_text()


def test_a_visitor_asks_picks_selects_exports_and_judges(page, app, tmp_path):
    assert int(page.locator(".map").get_attribute("data-drawn")) > 1000
    assert page.locator(".map-measures dt").count() >= 6

    page.fill(".map-ask [name=query]", "der Hund bellt")
    page.press(".map-ask [name=query]", "Enter")
    page.wait_for_selector(".map-placed")
    assert "der Hund bellt" in picked(page)
    assert page.locator(".map-near.audio button").count() == page.locator(".map-near.text button").count() == 6
    star, note = page.evaluate("({ layout }) => [layout.shapes, layout.annotations]", page.query_selector(".map-plot"))
    assert [each["text"] for each in note] == ["der Hund bellt"] and len(star) == 1
    assert (star[0]["xanchor"], star[0]["yanchor"]) == (note[0]["x"], note[0]["y"])

    page.locator(".map-near.audio button").first.click()
    page.wait_for_selector(".map-picked audio")
    page.select_option(".map [name=colour]", "language")
    page.wait_for_function("document.querySelector('.map-plot').data.some((trace) => trace.name === 'Deutsch')")

    page.fill(".map [name=find]", "frog")
    page.locator("[data-action=select-found]").click()
    page.wait_for_selector(".map-selection table")
    with page.expect_download() as download:
        page.locator("[data-action=export]").click()
    download.value.save_as(tmp_path / "map.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "map.csv").read_text(encoding="utf-8-sig"))))
    assert len(rows) > 3 and any(row["kind"] == "audio" for row in rows)
    assert {row["concept"] for row in rows if row["kind"] != "text"} >= {"frog"}

    page.fill(".map [name=judged]", "ein Frosch")
    page.locator(".map-judge [data-label=relevant]").click()
    page.wait_for_function("document.querySelector('.map-judge .verdict').textContent")
    with Store(app.database) as store:
        stored = [each for each in store.current_judgements() if each.query_text == "ein Frosch"]
    assert len(stored) == sum(row["kind"] != "text" for row in rows)
    page.locator(".map-judge [data-action=undo]").click()
    page.wait_for_function("document.querySelector('.map-judge [data-action=undo]').hidden")
    with Store(app.database) as store:
        assert [each for each in store.current_judgements() if each.query_text == "ein Frosch"] == []


def test_a_selection_becomes_questions_of_a_campaign_that_its_link_opens(page, app):
    page.fill(".map-ask [name=query]", HOSTILE)
    page.press(".map-ask [name=query]", "Enter")
    page.wait_for_selector(".map-placed")
    page.fill(".map [name=find]", "frog")
    page.locator("[data-action=select-found]").click()
    page.wait_for_selector(".map-selection table")
    selected = page.locator(".map-selection tbody tr")
    clips = selected.filter(has_text=re.compile("Sound|Picture")).count()
    english = selected.filter(has_text="English").count()
    page.focus("[data-action=send]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-fill")
    assert page.evaluate("document.activeElement.name") == "campaign"
    assert page.input_value("[name=asked]") == HOSTILE
    page.fill("[name=campaign_name]", f"Frogs {HOSTILE}")
    page.select_option("[name=asked_language]", "en")
    page.press("[name=asked]", "Enter")
    page.wait_for_selector(".map-sent a")
    assert f"Frogs {HOSTILE}: {clips}." in page.inner_text(".map-sent")
    with Store(app.database) as store:
        (made,) = [each for each in store.campaigns() if each.name == f"Frogs {HOSTILE}"]
        asked = store.items(made.campaign_id)
    assert len(asked) == clips >= 2 and {each.clip_kind for each in asked} == {"sound", "picture"}
    assert {(each.query_text, each.language) for each in asked} == {(HOSTILE, "en")}

    # The campaign just made is the one that the next is sent to.
    page.check("[name=ask][value=texts]")
    page.wait_for_selector("[name=asked]", state="hidden")
    page.locator(".map-fill .map-primary").click()
    page.wait_for_function("document.querySelector('.map-sent').textContent.includes('not in their language')")
    with Store(app.database) as store:
        added = store.items(made.campaign_id)[clips:]
    assert len(added) == clips * english > 0 and {each.language for each in added} == {"en"}
    assert page.locator(".map-selection :is(img, b b)").count() == 0

    with page.context.expect_page() as opened:
        page.locator(".map-sent a").click()
    annotate = opened.value
    annotate.set_default_timeout(120_000)
    annotate.fill("#annotate [data-form=register] [name=name]", "Lead of the map")
    annotate.check("#annotate [name=agreed]")
    annotate.keyboard.press("Enter")
    annotate.click("#annotate .annotate-sign [data-action=campaigns]")
    annotate.wait_for_selector("#annotate .annotate-item[data-item]")
    assert annotate.inner_text("#annotate .annotate-desk h2") == f"Frogs {HOSTILE}"


def test_a_box_drawn_with_the_mouse_selects_what_lies_in_it(page):
    page.locator("[data-tool=select]").click()
    box = page.locator(".map-plot").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_selector(".map-selection table")
    assert page.locator(".map-selection tbody tr").count() > 10
    page.locator("[data-action=clear]").click()
    page.wait_for_selector(".map-selection", state="hidden")


def chosen_languages(page) -> list[str]:
    return page.locator(".map-languages-list input:checked").evaluate_all("all => all.map(box => box.value)")


def wait_for_another_map(page, before: str) -> str:
    page.wait_for_function(
        "before => ![before, undefined].includes(document.querySelector('.map').dataset.key)",
        arg=before,
        timeout=DRAWN_MS,
    )
    return page.locator(".map").get_attribute("data-key")


def test_the_model_of_the_menu_draws_the_map_of_the_languages_that_were_chosen(page):
    usual = page.locator(".map").get_attribute("data-key")
    page.locator(".map-languages summary").click()
    for code in chosen_languages(page):
        if code != "sw":
            page.uncheck(f".map-languages-list input[value='{code}']")
    page.locator(".map-languages [data-action=draw]").click()
    swahili = wait_for_another_map(page, usual)
    page.click("#model input")
    page.locator("#model [role=option]", has_text="cacara · ").first.click()
    wait_for_another_map(page, swahili)
    assert chosen_languages(page) == ["sw"]


def test_hostile_words_are_shown_as_text(page):
    page.fill(".map [name=find]", HOSTILE)
    page.fill(".map-ask [name=query]", HOSTILE)
    page.press(".map-ask [name=query]", "Enter")
    page.wait_for_selector(".map-placed")
    assert HOSTILE in picked(page)
    assert page.locator(".map img[src=x], .map-side b, .map-plot image").count() == 0
    page.wait_for_function("document.querySelector('.map-plot').textContent.includes('<img src=x')")
