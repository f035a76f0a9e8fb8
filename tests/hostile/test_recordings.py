"""Who may hear a recording that somebody asked with: through the real server."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import feedback_examples as make
import pytest
from audio_files import encoded_tone
from serving import served
from visitors import Visitor

from feedback_db import Campaign, Item, save_recording
from tests.ui.services.test_services import make_services
from ui.annotate import actions as annotate_actions
from ui.annotate import handlers
from ui.annotate.routes import ADMIN_HEADER, CONSENTED, TOKEN_HEADER
from ui.services.permissions import Access
from ui.services.services import Feedback

LEAD = "the lead's own token"


@pytest.fixture(scope="module")
def engine(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def services(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("consented")
    yield dataclasses.replace(engine, feedback=Feedback(folder / "feedback.db"), access=Access(True, LEAD))


@pytest.fixture(scope="module")
def visitor(services):
    with served(services) as address:
        yield Visitor(address)


@dataclasses.dataclass
class Asked:
    """A recording with consent, its owner's token, and a campaign whose only question asks with it."""

    sound: bytes
    sha256: str
    owner: str
    campaign: Campaign
    item: Item


@pytest.fixture
def asked(services, request):
    return ask_with(services, request.node.name, b"RIFF" + request.node.name.encode())


def ask_with(services, test: str, sound: bytes) -> Asked:
    store, name = services.feedback.store(), f"owner of {test}"
    owner = store.register(name)
    sha256 = save_recording(services.feedback.recordings, sound)
    given = {"query_text": None, "recording_sha256": sha256, "language": None}
    store.add_judgement(make.judgement(annotator=name, consent=True, **given))
    campaign = make.campaign(languages=())
    store.save_campaign(campaign)
    item = make.item(campaign, **given | {"clip_id": "dog.wav"})
    store.add_items([item])
    return Asked(sound, sha256, owner, campaign, item)


def listen(visitor, sha256, token="", admin="", **headers):
    headers |= {TOKEN_HEADER: token, ADMIN_HEADER: admin}
    return visitor.request("GET", f"{CONSENTED}?sha256={sha256}", headers=headers)


def test_a_recording_is_for_its_owner_the_lead_and_who_is_asked_about_it_alone(services, visitor, asked):
    stranger = services.feedback.store().register("a stranger")
    for token, admin in [("", ""), ("wrong", "wrong"), (stranger, ""), ("", stranger), (LEAD, ""), ("", asked.owner)]:
        status, body = listen(visitor, asked.sha256, token, admin)
        assert (status, asked.sound in body) == (403, False), (token, admin)
    assert listen(visitor, asked.sha256, asked.owner) == (200, asked.sound)
    assert listen(visitor, asked.sha256, admin=LEAD) == (200, asked.sound)
    page = handlers.annotate_next(services, stranger, asked.campaign.campaign_id)
    assert f'data-recording="{asked.sha256}"' in page["html"] and CONSENTED not in page["html"]
    assert listen(visitor, asked.sha256, stranger) == (200, asked.sound), "they are asked about it now"
    assert listen(visitor, asked.sha256, stranger, Range="bytes=0-3") == (206, b"RIFF")
    annotate_actions.annotation_skip(services, stranger, asked.item.item_id)
    assert listen(visitor, asked.sha256, stranger)[0] == 403, "they gave the question back"


def test_an_expired_question_opens_no_recording(services, visitor, asked, monkeypatch):
    token = services.feedback.store().register(f"annotator {asked.sha256}")
    handlers.annotate_next(services, token, asked.campaign.campaign_id)
    now = time.time()
    for later in (asked.campaign.lease_seconds + 1, -2 * 86_400):
        with monkeypatch.context() as patch:
            patch.setattr("feedback_db.store.people.time.time", lambda later=later: now + later)
            assert not services.feedback.store().may_hear(token, asked.sha256)
    assert listen(visitor, asked.sha256, token)[0] == 200


def test_strangers_are_not_told_which_recordings_are_there(visitor, asked):
    answers = {listen(visitor, sha256) for sha256 in (asked.sha256, "0" * 64)}
    assert len(answers) == 1 and next(iter(answers))[0] == 403
    assert listen(visitor, "0" * 64, admin=LEAD)[0] == 404
    assert listen(visitor, "../../feedback.db", admin=LEAD)[0] == 404


def test_a_recording_whose_consent_is_taken_back_is_given_to_nobody(services, visitor, asked):
    token = services.feedback.store().register(f"annotator {asked.sha256}")
    handlers.annotate_next(services, token, asked.campaign.campaign_id)
    services.feedback.store().forget(asked.owner, services.feedback.recordings)
    assert [listen(visitor, asked.sha256, *each)[0] for each in [(asked.owner,), (token,), ("", LEAD)]] == [
        403,
        403,
        404,
    ]


@pytest.mark.parametrize("name", ["alac.m4a", "double.wav", "tone.amr", "tone.mp3"])
def test_a_recording_that_browsers_may_not_play_is_given_decoded_and_no_copy_stays(services, visitor, name):
    asked = ask_with(services, name, encoded_tone(name))
    before = set(Path(tempfile.gettempdir()).glob("cacara-heard-*"))
    status, body = listen(visitor, asked.sha256, asked.owner)
    if name == "tone.mp3" and asked.sound.startswith(b"ID3"):
        assert (status, body) == (200, asked.sound)
    else:
        assert status == 200 and body.startswith(b"RIFF") and body != asked.sound
        assert len(body) == pytest.approx(44 + 2 * 16_000 * 2, abs=4_000)
    for _ in range(50):
        if set(Path(tempfile.gettempdir()).glob("cacara-heard-*")) == before:
            break
        time.sleep(0.1)
    assert set(Path(tempfile.gettempdir()).glob("cacara-heard-*")) == before
