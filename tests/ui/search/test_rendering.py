from __future__ import annotations

import html.parser
import json
import re

import pytest

from ui.page import rendering as page_rendering
from ui.page.templates import render
from ui.page.wording import available, wording
from ui.search import class_names, rendering
from ui.services.engine import Status

HOSTILE = "\"><script>alert(1)</script>'<img src=x onerror=alert(2)>&amp;${1}{{value}}"
ALLOWED = {
    "div", "p", "section", "h1", "h2", "header", "ol", "li", "span", "bdi", "button", "audio", "img", "progress",
    "nav", "a", "input", "label",
}  # fmt: skip


class Tags(html.parser.HTMLParser):
    """Collects elements, attributes and text, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes.extend(attrs)
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def hit(**changes):
    return {
        "rank": 1,
        "clip_id": "dog",
        "score": 0.5,
        "probability": 0.61,
        "verdict": "likely",
        "heard": ["Dog", "Bark"],
        "caption": "A dog.",
        "caption_language": "en",
        "concept": "dog",
        "kind": "effect",
        "source": "tuxpaint",
        "licence": "GPL-2",
        "sound": "media/sound?clip=dog",
        "waveform": "media/waveform?clip=dog",
        "picture": "media/picture?clip=dog",
        "notes": [],
    } | changes


def found(**changes):
    answer = {"language": "de", "language_source": "detected", "notes": [], "search_id": "s", "hits": [hit()]}
    answer |= {"nothing_fits": False, "looked_up": []}
    return answer | {"query": "hund", "kind": "", "licence": "", "pictures": None} | changes


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_hostile_text_in_every_field_stays_text(code):
    words = wording(code)
    bad = hit(**dict.fromkeys(hit(), HOSTILE) | {"rank": 1, "score": 0.5, "verdict": "maybe", "heard": [HOSTILE]})
    listed = {"search_id": HOSTILE, "nothing_fits": True, "hits": [bad]}
    answers = [
        rendering.text_results(
            found(
                query=HOSTILE,
                licence=HOSTILE,
                language=HOSTILE,
                notes=[HOSTILE],
                looked_up=[{"word": HOSTILE, "language": HOSTILE, "senses": [HOSTILE]}],
                search_id=HOSTILE,
                hits=[bad],
                pictures=listed,
            ),
            {HOSTILE: HOSTILE},
            words,
        ),
        rendering.audio_results(
            {
                "notes": [HOSTILE],
                "words": listed,
                "sounds": {"search_id": "s", "nothing_fits": True, "hits": [bad]},
                "pictures": listed,
                "licence": HOSTILE,
            },
            words,
        ),
        rendering.image_results({"notes": [HOSTILE], "sounds": listed, "pictures": listed, "licence": HOSTILE}, words),
        rendering.like_results(
            {"notes": [], "sounds": listed, "pictures": listed, "caption": HOSTILE, "clip_id": HOSTILE}
            | {"kind": HOSTILE, "licence": HOSTILE},
            words,
        ),
        rendering.speech_offer(HOSTILE, words, HOSTILE),
        rendering.speech_progress(HOSTILE, {"fraction": 0.5, "progress": HOSTILE}, words),
        rendering.speech_words(
            HOSTILE,
            {
                "guessed": True,
                "language": HOSTILE,
                "language_name": HOSTILE,
                "query_language": HOSTILE,
                "words": HOSTILE,
            },
            words,
        ),
        rendering.live_words([(HOSTILE, HOSTILE, 0.5)], False, True, words),
        page_rendering.problem(HOSTILE),
        page_rendering.banner(HOSTILE),
        render("page/preparation.html", words, status=Status("failed", problem=HOSTILE)),
        render("page/preparation.html", words, status=Status("preparing", step=HOSTILE)),
        rendering.examples([(HOSTILE, HOSTILE)], words),
    ]
    for answer in answers:
        tags = Tags(answer)
        assert set(tags.names) <= ALLOWED
        assert not tags.open
        assert not [name for name, _ in tags.attributes if name.startswith("on")]
        assert HOSTILE in tags.text


def test_the_language_is_named_and_marked_and_can_be_changed():
    tags = Tags(rendering.text_results(found(), {"de": "Deutsch"}, wording("en")))
    assert "Detected: Deutsch Change" in tags.text
    assert ("lang", "de") in tags.attributes
    assert (
        "Searched in: Deutsch"
        in Tags(rendering.text_results(found(language_source="chosen"), {"de": "Deutsch"}, wording("en"))).text
    )
    unknown = found(language=None, language_source="unknown")
    assert "not recognised" in Tags(rendering.text_results(unknown, {}, wording("en"))).text


def test_a_card_has_words_player_score_origin_and_three_answers():
    tags = Tags(rendering.text_results(found(), {}, wording("en")))
    assert tags.names.count("audio") == 1
    assert ("src", "media/sound?clip=dog") in tags.attributes
    assert ("src", "media/picture?clip=dog") in tags.attributes
    assert [value for name, value in tags.attributes if name == "data-label"] == [
        "relevant",
        "not_relevant",
        "unsure",
    ]
    for text in ("A dog.", "Score 0.50", "Source: tuxpaint", "Licence: GPL-2", "Relevant"):
        assert text in tags.text


def test_words_have_no_player_and_no_picture():
    tags = Tags(
        rendering.audio_results(
            {
                "notes": [],
                "words": found(),
                "sounds": {"search_id": "t", "nothing_fits": False, "hits": []},
                "pictures": None,
                "licence": "",
            },
            wording("en"),
        )
    )
    assert "audio" not in tags.names
    assert "Nothing was found." in tags.text


@pytest.mark.parametrize(("score", "width"), [(-0.2, "0.0%"), (0.123, "12.3%"), (1.0000001, "100.0%")])
def test_the_bar_stays_inside_its_place(score, width):
    assert f"inline-size:{width}" in rendering.text_results(found(hits=[hit(score=score)]), {}, wording("en"))


def test_a_clip_without_a_picture_or_known_language_is_shown_all_the_same():
    tags = Tags(rendering.text_results(found(hits=[hit(picture=None, caption_language=None)]), {}, wording("en")))
    assert "img" not in tags.names
    assert "A dog." in tags.text


def test_the_preparation_vanishes_when_it_is_ready():
    assert Tags(render("page/preparation.html", wording("en"), status=Status("ready"))).text == ""
    assert 'value="0.500"' in render("page/preparation.html", wording("en"), status=Status("preparing", "a", 0.5))
    assert "value=" not in render("page/preparation.html", wording("en"), status=Status("preparing", "a"))


def test_arabic_is_marked_right_to_left():
    assert 'lang="ar" dir="rtl"' in page_rendering.heading(wording("ar"))


def test_a_sound_has_its_drawing_and_everything_leads_to_more_like_it():
    answer = rendering.text_results(
        found(pictures={"search_id": "p", "nothing_fits": False, "hits": [hit(sound=None)]}), {}, wording("en")
    )
    assert "mask-image:url('media/waveform?clip=dog')" in answer
    assert answer.count('data-action="like" aria-label="More like this: A dog."') == 2
    assert answer.count('class="wave"') == 1


def test_a_drawings_address_cannot_leave_its_place():
    answer = rendering.text_results(found(hits=[hit(waveform="x') ; background:url('y")]), {}, wording("en"))
    assert "mask-image:url('x%27%29%20%3B%20background%3Aurl%28%27y')" in answer


def test_words_alone_lead_to_nothing_like_them():
    answer = rendering.audio_results(
        {"notes": [], "words": found(), "sounds": None, "pictures": None, "licence": ""}, wording("en")
    )
    assert 'data-action="like"' not in answer and 'data-action="share"' not in answer


def test_what_can_be_reopened_is_told_to_the_page_as_text():
    asked = {"q": '<b>"hund"</b>', "lang": "", "kind": "sound", "licence": "GPL-2"}
    tags = Tags(rendering.text_results(found(query=asked["q"], kind="sound", licence="GPL-2"), {}, wording("en")))
    assert json.loads(dict(tags.attributes)["data-asked"]) == asked
    chosen = rendering.text_results(found(language_source="chosen"), {}, wording("en"))
    assert json.loads(dict(Tags(chosen).attributes)["data-asked"])["lang"] == "de"


def test_an_empty_list_says_why_where_a_licence_was_asked_for():
    empty = Tags(rendering.text_results(found(hits=[], licence="CC0"), {}, wording("en"))).text
    assert "Nothing here has this licence. Choose “Any licence” to find more." in empty


def test_pictures_alone_are_shown_without_an_empty_list_of_sounds():
    listed = {"search_id": "p", "nothing_fits": False, "hits": [hit(sound=None)]}
    tags = Tags(rendering.text_results(found(kind="picture", hits=[], pictures=listed), {}, wording("en")))
    assert tags.names.count("section") == 1 and "Nothing" not in tags.text


def test_a_guessed_language_is_told_apart_from_a_given_one():
    told = {"guessed": False, "language": "de", "language_name": "Deutsch", "query_language": "de", "words": "Hund"}
    given = Tags(rendering.speech_words("s", told, wording("en"))).text
    guessed = Tags(rendering.speech_words("s", told | {"guessed": True}, wording("en"))).text
    assert "Written down in Deutsch. Correct" in given and "which is a guess" in guessed


def test_a_quiet_moment_shows_no_words():
    tags = Tags(rendering.live_words([("A dog.", "en", 0.9)], True, False, wording("en")))
    assert "It is quiet." in tags.text and "dog" not in tags.text


def test_no_style_rule_has_a_list_inside_has():
    """Gradio prefixes what follows each comma of a selector, and a prefixed part matches nothing inside ``:has``."""
    from ui.layout import STYLES

    for path in STYLES:
        lists = re.findall(r":has\((?:[^()]|\([^()]*\))*,", re.sub(r":is\([^()]*\)", "", path.read_text()))
        assert lists == [], path


def test_the_words_that_were_looked_up_are_shown_with_what_they_mean():
    known = [{"word": "mbwa", "language": "sw", "senses": ["dog", "hound"]}]
    tags = Tags(rendering.text_results(found(looked_up=known), {}, wording("en")))
    assert "Looked up: mbwa → dog, hound" in tags.text
    assert "Looked up" not in Tags(rendering.text_results(found(), {}, wording("en"))).text


def test_a_card_says_how_likely_it_is_and_what_is_heard_in_it():
    tags = Tags(rendering.text_results(found(hits=[hit(heard=["Glass", "Bark"])]), {}, wording("de")))
    assert "● wahrscheinlich" in tags.text and "Darin gehört: Glass · Bark" in tags.text
    assert ("class", "fit likely") in tags.attributes
    unmeasured = rendering.text_results(found(hits=[hit(probability=None, verdict=None, heard=[])]), {}, wording("de"))
    assert 'class="fit' not in unmeasured and "Darin" not in unmeasured
    heard_alone = Tags(rendering.text_results(found(hits=[hit(verdict=None)]), {}, wording("en"))).text
    assert "Heard in it: Dog · Bark" in heard_alone and "likely" not in heard_alone


def test_classes_are_named_in_the_visitors_language_as_far_as_emoji_are(monkeypatch, tmp_path):
    for code, name in (("en", "violin"), ("de", "Geige")):
        (tmp_path / code).mkdir()
        emoji = {"annotations": {"annotations": {"🎻": {"tts": [name]}}}}
        (tmp_path / code / "annotations.json").write_text(json.dumps(emoji))
    monkeypatch.setattr(class_names.sources, "find", lambda key: tmp_path)
    monkeypatch.setattr("cacara.words.lexicon.content_folder", lambda key, folder: folder)
    assert class_names.in_language("Violin, fiddle", "de") == ("Geige", "de")
    assert class_names.in_language("Speech", "de") == ("Speech", "en")
    assert class_names.in_language("Violin, fiddle", "en") == ("Violin, fiddle", "en")
    tags = Tags(rendering.text_results(found(hits=[hit(heard=["Violin, fiddle", "Speech"])]), {}, wording("de")))
    assert "Darin gehört: Geige · Speech" in tags.text and ("lang", "de") in tags.attributes


def test_the_page_says_when_nothing_fits_and_what_is_nearest():
    unlike = found(nothing_fits=True, hits=[hit(verdict="unlikely")])
    text = Tags(rendering.text_results(unlike, {}, wording("en"))).text
    assert "Nothing here seems to fit. The nearest is “A dog”." in text and "○ unlikely" in text
    assert "seems to fit" not in Tags(rendering.text_results(found(), {}, wording("en"))).text


def test_hits_beyond_the_first_wait_until_they_are_wanted():
    hits = [hit(rank=rank, clip_id=f"dog {rank}") for rank in range(1, 26)]
    page = rendering.text_results(found(hits=hits), {}, wording("en"))
    shown, waiting = page.split("<template>")
    assert shown.count('class="card"') == rendering.SHOWN_AT_ONCE == 10
    assert waiting.split("</template>")[0].count('class="card"') == 15
    assert 'data-action="more"' in waiting and "Show more: " in waiting
    assert "<template>" not in rendering.text_results(found(hits=hits[:10]), {}, wording("en"))
