from __future__ import annotations

import threading

from ui.services.searches import SearchMemory, ShownSearch


def shown(text: str) -> ShownSearch:
    return ShownSearch(
        query_text=text, language="en", model="tiny", model_version="1", gallery="gallery", hits={"dog": (1, 0.5)}
    )


def test_what_was_shown_is_recalled_by_its_id_alone():
    memory = SearchMemory()
    first, second = memory.remember(shown("a")), memory.remember(shown("b"))
    assert first != second
    assert memory.recall(first).query_text == "a"
    assert memory.recall("made up") is None


def test_the_oldest_list_is_forgotten_first():
    memory = SearchMemory(capacity=3)
    ids = [memory.remember(shown(str(number))) for number in range(5)]
    assert [memory.recall(search_id) is not None for search_id in ids] == [False, False, True, True, True]


def test_threads_do_not_overfill_the_memory():
    memory = SearchMemory(capacity=50)
    threads = [threading.Thread(target=lambda: [memory.remember(shown("x")) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory._searches) == 50
