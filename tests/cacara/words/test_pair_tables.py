"""Tables of pairs as people have them; the rows are made up."""

from __future__ import annotations

import pytest

from cacara.errors import QueryError
from cacara.words import pair_tables

MANY = [(f"the dog barks at {number}", f"gwok gwayo {number}") for number in range(20)]


def read(content: str, language: str | None = "ach") -> pair_tables.PairTable:
    return pair_tables.read_text(content, 1_000_000, language)


@pytest.mark.parametrize(
    "content",
    [
        "english,acholi\ndog,gwok\n",
        "Acholi,English gloss\ngwok,dog\n",
        "id;English;Acholi;;\n1;dog;gwok;;\n",
        "\ufeffEN\tach\t\r\ndog\tgwok\t\r\n",
        "sep=;\nacholi;english\ngwok;dog\n",
        '"dog","gwok"\n',
        "dog|gwok",
    ],
)
def test_a_heading_gives_the_order_and_is_no_pair(content):
    assert read(content).pairs == (("dog", "gwok"),)
    assert read(content).faults == ()


def test_a_cell_of_several_lines_is_one_text_and_a_stray_tab_changes_no_separator():
    found = read('"Good morning,\nfriend",itye\ncat,pus\nword\tx,lok x\n')
    assert found.pairs == (("Good morning, friend", "itye"), ("cat", "pus"), ("word x", "lok x"))


def test_a_comment_is_passed_over_and_a_text_that_begins_with_its_sign_is_a_pair():
    assert read("# mine, yours\n#\n#1 friend,larema\n").pairs == (("#1 friend", "larema"),)


@pytest.mark.parametrize("heading", ["word,gloss,note x", "id,english,lok,luo", "source,target", "acholi,word"])
def test_a_heading_that_does_not_tell_the_columns_is_refused_with_those_known(heading):
    with pytest.raises(QueryError, match="does not tell which column is English.*known are english"):
        read(f"{heading}\na,b,c\n")


def test_columns_that_changed_places_are_noticed():
    straight = "".join(f"{english},{other}\n" for english, other in MANY)
    swapped = "".join(f"{other},{english}\n" for english, other in MANY)
    assert not read(straight).swapped
    assert read(swapped).swapped and not read(swapped).headed
    assert not read("acholi,english\n" + swapped).swapped
    wrong = read("english,acholi\n" + swapped)
    assert wrong.swapped and wrong.headed, "the heading counts, and what looks wrong is still said"


def test_what_is_written_is_read_again():
    pairs = (("english", "acholi"), ('"all" quoted"', "#x"), ("# no comment", 'a "b'), ("a, b; c", "d|e"))
    assert read(pair_tables.write(pairs)).pairs == pairs
