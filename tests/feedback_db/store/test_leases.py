"""Two people never hold one item at once, in however many processes they are."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from feedback_examples import campaign, item

from feedback_db import FeedbackError, Store
from feedback_db.store import queue as store_queue

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "feedback.db") as opened:
        yield opened


@pytest.fixture
def made(store):
    made = campaign(lease_seconds=60, wanted_judgements=1)
    store.save_campaign(made)
    store.add_items([item(made)])
    return made


class Clock:
    """Stands for the ``time`` module: a wall clock that can be set."""

    def __init__(self, start: int) -> None:
        self.now = start

    def time_ns(self) -> int:
        return self.now * 1_000_000_000


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(1_900_000_000)
    monkeypatch.setattr(store_queue, "time", clock)
    return clock


def test_an_item_that_one_person_holds_is_given_to_nobody_else(store, made):
    lease = store.next_item(made.campaign_id, "Ana")
    assert store.next_item(made.campaign_id, "Bo") is None
    with pytest.raises(FeedbackError, match="somebody else is working on this item"):
        store.lease_item(lease.item.item_id, "Bo")
    assert store.next_item(made.campaign_id, "Ana").item == lease.item  # who comes back goes on
    assert store.progress(made.campaign_id).leased == 1


def test_a_lease_that_has_run_out_is_given_to_the_next(store, made, clock):
    lease = store.next_item(made.campaign_id, "Ana")
    until = datetime.datetime.fromisoformat(lease.expires_utc).timestamp()
    assert until == clock.now + 60
    clock.now += 59
    assert store.next_item(made.campaign_id, "Bo") is None
    clock.now += 2
    assert store.next_item(made.campaign_id, "Bo").item == lease.item
    assert store.next_item(made.campaign_id, "Ana") is None
    # Whoever was slow has still worked: the answer counts.
    store.judge_item(lease.item.item_id, "Ana", "relevant")
    assert len(store.current_judgements()) == 1


def test_asking_again_makes_the_lease_longer(store, made, clock):
    store.next_item(made.campaign_id, "Ana")
    clock.now += 50
    store.next_item(made.campaign_id, "Ana")
    clock.now += 50
    assert store.next_item(made.campaign_id, "Bo") is None


def test_a_clock_that_jumps_back_gives_no_item_twice_nor_holds_it_for_ever(store, made, clock):
    store.next_item(made.campaign_id, "Ana")
    clock.now -= 3600
    assert store.next_item(made.campaign_id, "Bo") is None
    clock.now -= 365 * 86_400
    assert store.next_item(made.campaign_id, "Bo") is not None


def test_release_and_skip_give_the_item_back(store, made):
    store.next_item(made.campaign_id, "Ana")
    store.release("Ana")
    lease = store.next_item(made.campaign_id, "Bo")
    store.skip(lease.item.item_id, "Bo")
    assert store.next_item(made.campaign_id, "Cy") is not None


WORKERS = """
import json, os, sys, threading
from feedback_db import Store
database, campaign, processes, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def work(store, name, held):
    while (lease := store.next_item(campaign, name)) is not None:
        held.append(lease.item.item_id)
        store.judge_item(lease.item.item_id, name, "relevant")

def run(number):
    held = []
    with Store(database, busy_timeout_seconds=60) as store:
        crowd = [threading.Thread(target=work, args=(store, f"{number}-{n}", held)) for n in range(threads)]
        [thread.start() for thread in crowd]
        [thread.join() for thread in crowd]
    os.write(1, (json.dumps(held) + "\\n").encode())

children = []
for number in range(processes):
    child = os.fork()
    if child == 0:
        run(number)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def test_four_processes_of_four_threads_never_hold_one_item_at_once(store, tmp_path):
    made = campaign(wanted_judgements=1)
    store.save_campaign(made)
    store.add_items([item(made, clip_id=f"clip {number}") for number in range(48)])
    done = subprocess.run(
        [sys.executable, "-c", WORKERS, str(store.path), made.campaign_id, "4", "4"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    held = [item_id for line in done.stdout.splitlines() for item_id in json.loads(line)]
    # With one answer wanted, an item that two had held would have been counted twice here.
    assert len(held) == len(set(held)) == 48
    assert store.progress(made.campaign_id).done == 48
    assert len(store.history()) == 48
