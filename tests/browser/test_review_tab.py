"""The Review tab as a team lead meets it: a campaign, disagreements, pictures, and hostile rows."""

from __future__ import annotations

import json

import pytest
from tabs import show_tab

from feedback_db import Judgement, Store
from feedback_db.records.lines import to_line

HOSTILE = '<img src=x onerror="alert(1)"> <b>lead</b>'


@pytest.fixture
def differing(app, dogs):
    """Two people with hostile names who differ about one dog."""
    about = {
        "recording_sha256": None,
        "consent": False,
        "language": "en",
        "gallery": "tuxpaint",
        "rank": 1,
        "score": 0.5,
    }
    made = [
        Judgement(
            query_text=HOSTILE, clip_id=dogs[0].clip_id, model="m", model_version="1",
            annotator=f"{HOSTILE} {name} of the northern team", label=label, seconds_taken=3.0,
            comment=HOSTILE, **about,
        )
        for name, label in (("a", "relevant"), ("b", "not_relevant"))
    ]  # fmt: skip
    with Store(app.database) as store:
        for judgement in made:
            store.add_judgement(judgement)
    return made


def open_tab(page) -> None:
    show_tab(page, "review")
    page.wait_for_selector("#review [data-action=new]")


def section(page, name: str, selector: str) -> None:
    page.click(f"#review [data-section={name}]")
    page.wait_for_selector(f"#review {selector}")


def test_a_campaign_is_made_and_filled_and_told_in_the_list(open_page, app):
    page = open_page()
    open_tab(page)
    page.fill("#review [name=lead]", HOSTILE)
    page.click("#review [data-action=new]")
    page.fill("#review [data-form=campaign] [name=name]", HOSTILE)
    page.fill("#review [data-form=campaign] [name=guidelines]", f"</textarea>{HOSTILE}")
    page.fill("#review [data-form=campaign] [name=languages]", "en, sw")
    page.click("#review [data-form=campaign] button.primary")
    page.wait_for_selector("#review [data-form=queries]")
    assert page.input_value("#review [name=guidelines]") == f"</textarea>{HOSTILE}"
    page.fill("#review [name=queries]", f"sw: mbwa\n\nfr: {HOSTILE}\nen: dog")
    page.fill("#review [name=top_k]", "3")
    page.click("#review [data-form=queries] button.primary")
    page.wait_for_selector("#review .review-bad li")
    assert page.inner_text("#review .review-bad").startswith("Line 3")
    page.wait_for_function(
        "document.querySelector('#review .review-told').textContent.includes('12 questions')"
    )  # 3 sounds, 3 pictures each
    page.click("#review [data-form=checks] button")
    page.wait_for_function("document.querySelector('#review .review-told').textContent.startsWith('4 ')")
    section(page, "campaigns", "tbody tr")
    assert HOSTILE in page.inner_text("#review tbody") and "12 questions, 4 checks" in page.inner_text("#review tbody")
    with Store(app.database) as store:
        assert store.campaigns()[-1].created_by == HOSTILE
    assert not page.query_selector("#review .review-page img[src=x]")


def test_disagreements_are_heard_and_settled_and_every_section_shows_hostile_text_as_text(
    open_page, app, differing, tmp_path
):
    page = open_page()
    open_tab(page)
    section(page, "disagreements", "[data-pair]")
    card = page.locator("#review [data-pair]").filter(has_text=HOSTILE).first
    assert card.locator("audio").count() == 1
    card.locator("[name=note]").fill(HOSTILE)
    card.locator("[data-label=partly]").click()
    page.wait_for_selector("#review [data-pair] [data-label=partly][aria-pressed=true]")
    with Store(app.database) as store:
        decided = store.current_adjudications()[-1]
    assert (decided.label, decided.note, decided.query_text) == ("partly", HOSTILE, HOSTILE)

    section(page, "judgements", "[data-form=filter]")
    page.fill("#review [data-form=filter] [name=text]", "<B>LEAD")
    page.click("#review [data-form=filter] button")
    page.wait_for_function("document.querySelectorAll('#review tbody tr').length >= 2")
    assert HOSTILE in page.inner_text("#review tbody")
    section(page, "agreement", "tbody tr")
    section(page, "changes", "tbody tr")
    section(page, "progress", "[data-plot=seconds].js-plotly-plot")
    told = page.inner_text("#review [data-plot=seconds]")  # long names are shortened, to the same ends here
    assert told.count("<img src=x o…rthern team") == 2, "two people with names alike stay two"
    assert (
        page.evaluate("new Set(document.querySelector('[data-plot=seconds]').data.map((trace) => trace.y[0])).size")
        == 2
    )

    section(page, "data", "[data-form=import]")
    rows = tmp_path / "rows.jsonl"
    good = json.dumps(json.loads(to_line(differing[0])) | {"judgement_id": "b" * 32})
    rows.write_text(f"{good}\n{json.dumps({'type': HOSTILE})}\n", encoding="utf-8")
    page.set_input_files("#review [name=file]", rows)
    page.click("#review [data-form=import] button")
    page.wait_for_selector("#review .review-imported li")
    assert "Line 2" in page.inner_text("#review .review-imported") and "<img" in page.inner_text(
        "#review .review-imported"
    )
    with page.expect_download() as download:
        page.click("#review [data-form=export] button")
    assert download.value.suggested_filename == "feedback.csv"
    assert not page.query_selector("#review .review-page :is(img[src=x], b b)")
