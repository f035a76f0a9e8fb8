"""The Annotate tab as an annotator meets it: by keyboard, with hostile text, from a link."""

from __future__ import annotations

import pytest

from feedback_db import Campaign, Item, Store

HOSTILE = '<img src=x onerror="alert(1)"> <b>bird</b>'
ITEM = "#annotate .annotate-item[data-item]"


@pytest.fixture
def campaign(app, dogs):
    """A campaign of three questions about one dog, all of whose texts are hostile."""
    made = Campaign(name=HOSTILE, guidelines=f"{HOSTILE} **bold** [go](javascript:alert(1))", created_by="Lead")
    with Store(app.database) as store:
        store.save_campaign(made)
        store.add_items(
            Item(
                campaign_id=made.campaign_id, query_text=f"{HOSTILE} {number}", language="en", gallery="tuxpaint",
                clip_id=dogs[0].clip_id, model="secret-model", model_version="1", rank=1, score=0.8765,
            )
            for number in range(3)
        )  # fmt: skip
    return made


def sign_in(page, name: str) -> None:
    page.wait_for_selector("#annotate [data-form=register]")
    page.fill("#annotate [data-form=register] [name=name]", name)
    page.check("#annotate [name=agreed]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#annotate .annotate-token code")


def press_and_wait(page, key: str) -> str:
    """Press a key that leads to another question, and return the id of the one before."""
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    before = page.get_attribute(ITEM, "data-item")
    page.keyboard.press(key)
    page.wait_for_function(f"before => document.querySelector('{ITEM}')?.dataset.item !== before", arg=before)
    return before


def test_a_campaign_of_a_link_is_done_by_keyboard_and_hostile_text_is_text(open_page, app, campaign):
    page = open_page(f"{app.url}?campaign={campaign.campaign_id}")
    sign_in(page, HOSTILE)
    assert HOSTILE in page.inner_text("#annotate .annotate-sign h2")
    page.click("#annotate [data-action=campaigns]")
    page.wait_for_selector(ITEM)
    assert page.inner_text("#annotate .annotate-desk h2") == HOSTILE
    assert HOSTILE in page.inner_text("#annotate .annotate-query")
    assert "<b>bird</b> bold" in page.inner_text("#annotate .annotate-text")
    assert not page.query_selector("#annotate :is(img, a[href^=javascript])")
    assert "secret-model" not in page.content() and "0.8765" not in page.content()

    page.keyboard.press("Space")
    page.wait_for_function("!document.querySelector('#annotate audio').paused")
    page.keyboard.press("a")
    page.keyboard.press("c")
    page.keyboard.type("1 2 s u <b>woof</b>")  # typed words answer nothing
    page.keyboard.press("Escape")
    first = press_and_wait(page, "3")
    press_and_wait(page, "s")
    last = press_and_wait(page, "u")  # what was skipped comes back
    assert page.get_attribute(ITEM, "data-item") not in (first, last)
    page.keyboard.press("1")
    page.wait_for_function(
        "before => document.querySelector('#annotate .annotate-item')?.dataset.item === before", arg=last
    )
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    page.keyboard.press("4")
    page.wait_for_selector("#annotate .annotate-done")
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")

    page.keyboard.press("u")  # the last answer, which is then changed
    page.wait_for_selector(ITEM)
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    page.keyboard.press("2")
    page.wait_for_selector("#annotate .annotate-done")
    with Store(app.database) as store:
        said = store.current_judgements(campaign.campaign_id)
        captions = store.current_captions(campaign.campaign_id)
    assert [each.label for each in said] == ["not_relevant", "relevant", "partly"]
    assert said[0].reasons == ("wrong_sound",) and said[0].seconds_taken > 0 and said[0].model == "secret-model"
    assert [each.caption for each in captions] == ["1 2 s u <b>woof</b>"]

    page.click("#annotate [data-action=mine]")
    page.wait_for_selector("#annotate .annotate-mine tbody tr")
    assert "<b>woof</b>" in page.inner_text("#annotate .annotate-mine")
    with page.expect_download() as download:
        page.click("#annotate [data-action=download]")
    assert download.value.suggested_filename == "mine.zip"
    page.fill("#annotate [data-form=forget] input", HOSTILE)
    page.click("#annotate [data-form=forget] button")
    page.wait_for_selector("#annotate [data-form=register]")
    with Store(app.database) as store:
        assert store.current_judgements(campaign.campaign_id) == []


def test_the_question_held_comes_first_on_return_and_fits_a_phone(open_page, app, campaign):
    page = open_page(
        f"{app.url}?campaign={campaign.campaign_id}", locale="ar-EG", viewport={"width": 360, "height": 780}
    )
    sign_in(page, "نورة")
    page.click("#annotate [data-action=campaigns]")
    page.wait_for_selector(ITEM)
    held = page.get_attribute(ITEM, "data-item")
    assert page.get_attribute("#annotate .annotate", "dir") == "rtl"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.reload()
    page.wait_for_selector(ITEM)
    assert page.get_attribute(ITEM, "data-item") == held
