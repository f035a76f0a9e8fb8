"""Taking back what a word of a query was looked up as, with one click, and undoing that."""

from __future__ import annotations

from typing import Any

from cacara.errors import QueryError
from cacara.lexicon.personal_words import PersonalWord, new_list_id
from ui.services.permissions import admin_only
from ui.services.services import Services

MOST_SENSES = 5
SOURCE = "search"


def correctable(services: Services) -> bool:
    """Return whether every visitor of this server may take look-ups back: what one takes back is so for all."""
    return services.access.open and services.personal_words is not None


@admin_only(None)
def wrong_look_up(services: Services, text: str, read_in: str, senses: list[str]) -> dict[str, Any]:
    """Take back what a word was looked up as, for the language that the query was read in.

    Args:
        services: The app's services.
        text: The word as it stands in the query.
        read_in: BCP-47 code.
        senses: What it was looked up as, English.

    Returns:
        ``list_id``, which ``look_up_again`` takes, and ``message``.
    """
    if services.personal_words is None or not isinstance(senses, list) or not 0 < len(senses) <= MOST_SENSES:
        raise QueryError(f"found {senses!r:.80}; wanted one to {MOST_SENSES} English senses of a word")
    list_id = new_list_id()
    wrong = [PersonalWord(str(read_in), str(text), str(each), True, SOURCE, "", list_id) for each in senses]
    services.personal_words.add(wrong)
    return {
        "list_id": list_id,
        "message": services.words("looked_up_gone", word=text, senses=", ".join(map(str, senses))),
    }


@admin_only(None)
def look_up_again(services: Services, list_id: str, text: str) -> dict[str, Any]:
    """Undo ``wrong_look_up``.

    Args:
        services: The app's services.
        list_id: The id that ``wrong_look_up`` returned.
        text: The word.

    Returns:
        ``message``.
    """
    if services.personal_words is not None:
        services.personal_words.remove_list(str(list_id))
    return {"message": services.words("looked_up_back", word=text)}
