"""The lexical memory: what it mixes into which texts, and what it leaves bit by bit as it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from cacara.lexicon import PersonalWord, PersonalWords
from cacara.model.config import LexicalMemoryConfig
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.model.parts.sense_embeddings import SenseEmbeddings
from training.data.lexicon.table import Sense, build

CONFIG = LexicalMemoryConfig("bundled", "studio", share=0.8, doubt=0.0, reach=3, decay=1.0)
TABLE = build(
    [
        Sense("dog", "sw", "mbwa", 3, False),
        Sense("cat", "sw", "paka", 3, True),
        Sense("of", "sw", "ya", 3, True),
        Sense("dog", "ln", "mbwa", 3, True),
        Sense("bat", "de", "Schläger", 3, True),
        Sense("racket", "de", "Schläger", 1, True),
    ],
    least=1,
)


def english(texts):
    rows = [np.random.default_rng(list(text.encode())).normal(size=16) for text in texts]
    made = np.array(rows, np.float32).reshape(len(texts), 16)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def remember(tmp_path):
    def make(**changes):
        return LexicalMemory(dataclasses.replace(CONFIG, **changes), TABLE, SenseEmbeddings(TABLE.vocabulary, tmp_path))

    return make


def mixed(memory, text, language):
    torch.manual_seed(1)
    given = torch.nn.functional.normalize(torch.randn(1, 16), dim=-1)
    return given, memory.mix(given, [text], [language], english)


def cosine(embedding, text):
    return float(embedding[0] @ torch.from_numpy(english([text])[0]))


@pytest.mark.parametrize(("text", "language"), [("mbwa", "en"), ("mbwa", "en-GB"), ("zzz", "sw"), ("dog", None)])
def test_english_texts_and_unknown_words_stay_bit_by_bit(remember, text, language):
    given, made = mixed(remember(), text, language)
    assert torch.equal(given, made)


def test_a_known_word_brings_its_text_to_what_it_means(remember):
    given, made = mixed(remember(), "MBWA", "sw")
    assert cosine(given, "dog") < 0.5 and cosine(made, "dog") > 0.9
    assert float(made.norm()) == pytest.approx(1.0)


def test_strict_knows_no_sense_that_is_held_out(remember):
    strict = remember(policy="strict")
    given, made = mixed(strict, "mbwa", "sw")
    assert torch.equal(given, made) and strict.look_up("mbwa", "sw") == ()
    assert cosine(mixed(strict, "paka", "sw")[1], "cat") > 0.9


def test_senses_weigh_as_their_sources_agree(remember):
    (found,) = remember().look_up("Schläger", "de")
    assert found.senses == (("bat", 0.75), ("racket", 0.25))
    _, made = mixed(remember(), "Schläger", "de")
    assert cosine(made, "bat") > cosine(made, "racket")


def test_function_words_weigh_little(remember):
    _, made = mixed(remember(share=1.0), "mbwa ya paka", "sw")
    dog, cat, of = (english([text])[0] for text in ("dog", "cat", "of"))
    expected = torch.from_numpy(dog + cat + 0.1 * of)
    assert float(made[0] @ expected / expected.norm()) == pytest.approx(1.0, abs=1e-3)


def test_what_is_shown_as_looked_up_leaves_function_words_out(remember):
    assert [found.surface for found in remember().look_up("mbwa ya paka", "sw")] == ["mbwa", "paka"]
    assert remember().look_up("ya", "sw") == ()


def test_what_is_half_known_is_half_mixed_in(remember):
    _, half = mixed(remember(), "mbwa zzz", "sw")
    _, whole = mixed(remember(), "mbwa", "sw")
    given, _ = mixed(remember(), "mbwa", "sw")
    assert float(given[0] @ half[0]) > float(given[0] @ whole[0])


def test_long_texts_of_the_encoders_languages_keep_more_of_their_embedding(remember):
    text = "mbwa mbwa mbwa mbwa mbwa mbwa"
    given, short = mixed(remember(decay=0.0), text, "sw")
    _, kept = mixed(remember(decay=1.0), text, "sw")
    assert float(given[0] @ kept[0]) > float(given[0] @ short[0])


def test_of_an_unknown_language_the_words_tell_and_readings_are_weighed(remember):
    memory = remember()
    found = memory.detect("mbwa paka")
    assert found.language == "sw" and found.confidence > 0.9
    assert set(memory.languages_of("mbwa")) >= {"sw", "ln"} and memory.assume("mbwa") is None
    assert memory.assume("dog") == "en"
    given, made = mixed(memory, "mbwa", None)
    assert cosine(made, "dog") > cosine(given, "dog") + 0.3
    assert [found.senses[0][0] for found in memory.look_up("mbwa", None)] == ["dog"]


def test_doubtful_senses_mix_in_less(remember):
    given, sure = mixed(remember(doubt=0.0), "Schläger", "de")
    _, doubted = mixed(remember(doubt=2.0), "Schläger", "de")
    assert float(given[0] @ doubted[0]) > float(given[0] @ sure[0])


TEXTS = [("mbwa", "sw"), ("mbwa paka", None), ("Schläger", "de"), ("zzz", "x-foo"), ("paka", "ln"), ("dog", "en")]
TAUGHT = [("x-foo", "blorp", "dog"), ("x-foo", "blorp zu", "a rusty typewriter"), ("sw", "simba", "lion")]


@pytest.fixture
def words(tmp_path):
    return PersonalWords(tmp_path / "words.jsonl")


def teach(words, *rows, **others):
    return words.add([PersonalWord(*row, **others) for row in rows])


def test_taught_words_act_at_once_and_every_other_text_stays_bit_by_bit(remember, words):
    memory = remember()
    before = [mixed(memory, text, language)[1] for text, language in TEXTS]
    memory.personal = words
    given, same = mixed(memory, "blorp", "x-foo")
    assert torch.equal(given, same)
    teach(words, *TAUGHT)
    for text, language in (("blorp", "x-foo"), ("BLORP", None)):
        given, made = mixed(memory, text, language)
        assert cosine(made, "dog") > cosine(given, "dog") + 0.3
    # The English lies outside the vocabulary, so the model's own text side embeds it.
    assert cosine(mixed(memory, "blorp zu", "x-foo")[1], "a rusty typewriter") > 0.9
    for kept, (text, language) in zip(before, TEXTS, strict=True):
        assert torch.equal(kept, mixed(memory, text, language)[1])


def test_what_another_process_takes_back_counts_no_more(remember, words):
    memory = remember()
    memory.personal = words
    given, before = mixed(memory, "mbwa", "sw")
    (entry,) = teach(PersonalWords(words.path), ("sw", "mbwa", "hound"))
    assert cosine(mixed(memory, "mbwa", "sw")[1], "hound") > 0.9
    (found,) = memory.look_up("Mbwa", "sw")
    assert found.taught and (found.text, found.senses) == ("mbwa", (("hound", 1.0),))
    PersonalWords(words.path).remove([entry.word_id])
    assert torch.equal(mixed(memory, "mbwa", "sw")[1], before)


def test_a_wrong_look_up_is_left_out_until_it_is_undone(remember, words):
    memory = remember()
    memory.personal = words
    given, before = mixed(memory, "mbwa", "sw")
    (wrong,) = teach(words, ("sw", "mbwa", "dog"), wrong=True)
    assert torch.equal(mixed(memory, "mbwa", "sw")[1], given) and memory.look_up("mbwa", "sw") == ()
    assert cosine(mixed(memory, "mbwa", "ln")[1], "dog") > 0.9
    words.remove([wrong.word_id])
    assert torch.equal(mixed(memory, "mbwa", "sw")[1], before)
