from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint
from tests.training.sounds.test_alignment import world  # noqa: F401  (a fixture)
from training.data import translations
from training.data.features import Features
from training.data.translations import Translation
from training.sounds import translated_captions
from training.sounds.translated_captions import TranslatedCaptions

PAIRS = [
    Translation("Dog", "de", "Hund", "cldr"),
    Translation("dogs", "de", "Hunde", "cldr"),
    Translation("a dog barking", "de", "ein Hund bellt", "tuxpaint"),
    Translation("dog", "sw", "mbwa", "cldr"),
    Translation("doggerel", "fr", "vers", "cldr"),
]


def clip(concept: str, *captions: str) -> Clip:
    return Clip(concept, Path(concept), "0" * 64, {"en": captions}, concept, "minetest", "MIT")


def test_a_caption_is_looked_up_before_the_concept():
    dog, rain = translated_captions.translate(
        [clip("dog", "A dog barking.", "the sound of it"), clip("rain", "rain")], PAIRS
    )
    assert dog == {"de": ("ein Hund bellt",), "sw": ("mbwa",), "en": ("A dog barking.", "the sound of it")}
    assert rain == {"en": ("rain",)}
    assert translated_captions.translate([clip("dog", "x")], PAIRS)[0]["de"] == ("Hund", "Hunde")
    assert translated_captions.count([dog, rain]) == {
        "clips": 2,
        "translated": 1,
        "languages": 3,
        "pairs": 5,
        "english": 3,
    }


def test_lexicons_that_know_none_of_the_clips_are_told():
    with pytest.raises(ManifestError, match="none of 1 clips has a text in another language"):
        translated_captions.translate([clip("rain", "rain")], PAIRS)


def test_every_language_of_a_clip_is_drawn_and_about_as_often():
    clips = [clip("dog", "a dog")]
    texts = translated_captions.translate(clips, PAIRS)
    spoken = [(language, text) for language, known in texts[0].items() for text in known]
    embeddings = {key: np.full(4, number, np.float32) for number, key in enumerate(spoken)}
    heard = Features(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 2), np.float32), (0,))
    data = TranslatedCaptions(clips, heard, texts, embeddings)
    drawn = np.concatenate([data.batch([0] * 50, step, 0)["texts"][:, 0].numpy() for step in range(20)])
    languages = [spoken[int(number)][0] for number in drawn]
    shares = [languages.count(language) / len(languages) for language in ("de", "en", "sw")]
    assert sum(shares) == 1 and all(0.27 < share < 0.4 for share in shares)
    assert set(drawn) == set(range(len(spoken))), "every text of a language too"


def test_a_run_says_in_its_card_and_record_what_it_was_trained_on(world, monkeypatch):  # noqa: F811
    pairs = [Translation("horse", "de", "Pferd", "cldr"), Translation("dog", "de", "Hund", "tuxpaint")]
    monkeypatch.setattr(translations, "SOURCES", ())
    monkeypatch.setattr(translations, "collect", lambda folders: pairs)
    final = translated_captions.train(world.options, world.output, world.benchmark)
    assert checkpoint.load(final).name == "tiny"
    card = (final / "README.md").read_text(encoding="utf-8")
    assert "not emergent alignment" in card and "captions in 2 languages" in card and "no other language" not in card
    assert "python -m training translated_captions" in card
    assert '"policy": "studio"' in (world.output / "options.json").read_text(encoding="utf-8")
