"""The Teach tab's handlers with plain values: rows, checks, a training in a program of its own, a language at once."""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
import time

import pytest
import torch

from cacara.errors import CacaraError, QueryError
from cacara.galleries.gallery import load_folder
from cacara.lexicon import PersonalWords
from cacara.model.config import AcquirerConfig
from cacara.model.model import Cacara
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import Acquirers, NonNativeEmbedding
from cacara.model.registry import Registry
from cacara.model.towers import Towers
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery
from training.mla import pairs as language_pairs
from ui.page.wording import available, wording
from ui.services import taught_languages as taught
from ui.services.engine import Engine
from ui.services.jobs import JobError, Jobs
from ui.services.permissions import Access, PermissionRefusedError
from ui.services.services import Feedback, Services
from ui.services.taught_languages import TaughtLanguages
from ui.services.training import Trainable, Trainings
from ui.teach import actions, pairs, tab

WORDS = wording("en")
HOSTILE = '<img src=x onerror="alert(1)">'
ROWS = "".join(f"dog number {number}\tmbwa {number}\n" for number in range(25))
PROGRAM = """
import json, pathlib, shutil, sys, time
get = lambda name: sys.argv[sys.argv.index(name) + 1]
tell = lambda **row: print(json.dumps(row), file=open(get("--progress"), "a"))
assert sys.argv[1] == "language_acquisition"
lines = pathlib.Path(get("--pairs")).read_text(encoding="utf-8").splitlines()
tell(stage="training", fraction=0.4, message="step 2 of 5")
if any(line.startswith("sleep") for line in lines):
    time.sleep(60)
output = pathlib.Path(get("--output")); output.mkdir(parents=True, exist_ok=True)
shutil.copy("made.safetensors", output / (get("--add-language") + ".safetensors"))
scores = {"pairs": 3, "candidates": 25, "cosine": 0.5}
tell(stage="done", fraction=1.0, message="", before={"R@1": 4.0, "R@10": 30.0, **scores},
     after={"R@1": 40.0, "R@10": 80.0, **scores}, warnings=["<b>few</b>"])
"""


@pytest.fixture
def model(tiny_model) -> Cacara:
    """A tiny model that takes languages."""
    text = copy.deepcopy(tiny_model.text)
    torch.manual_seed(4)
    embedding = NonNativeEmbedding(torch.randn(13, 8), torch.nn.Linear(8, 32, bias=False).requires_grad_(False))
    config = AcquirerConfig(tiny_model.config.text.backbone, 4, 16)
    acquirers = Acquirers(text, config, embedding, text.tokenizer)
    whole = dataclasses.replace(tiny_model.config, name="mla", acquirers=config)
    m = tiny_model
    return Cacara(whole, Towers(text, m.audio), [*m.parts, acquirers], "tiny", m.device)


def acquirer_file(model: Cacara, language: str, seed: int = 5) -> AcquirerFile:
    torch.manual_seed(seed)
    tensors = {name: torch.randn_like(value) for name, value in model.part(Acquirers).new_set().state_dict().items()}
    return AcquirerFile(language, model.part(Acquirers).space, 25, tensors)


@pytest.fixture
def services(model, tmp_path, monkeypatch) -> Services:
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "program.py").write_text(PROGRAM)
    acquirer_files.write(tmp_path / "made.safetensors", acquirer_file(model, "sw"))
    gallery = load_folder(make_gallery(tmp_path / "gallery"))
    languages = TaughtLanguages(tmp_path / "models")
    engine = Engine(lambda report: Retriever(model, gallery, report), refresh=languages.refresh)
    engine._run()
    jobs = Jobs(tmp_path / "jobs", (sys.executable, str(tmp_path / "program.py")), tmp_path)
    trainings = Trainings(jobs, Registry(tmp_path / "models"), languages, tmp_path / "feedback.db")
    monkeypatch.setattr(Trainings, "models", lambda self: [Trainable("mla", "mla", "1", tmp_path, model.config)])
    words = PersonalWords(tmp_path / "models" / "words.jsonl")
    yield Services(engine, Feedback(tmp_path / "feedback.db"), personal_words=words, trainings=trainings)
    if job := jobs.running():
        jobs.cancel(job.job_id)
    for child in jobs._children.values():
        child.wait(10)


def wait(services: Services) -> dict:
    for _ in range(400):
        status = actions.follow(services)
        if status["last"]["state"] != "running":
            return status
        time.sleep(0.05)
    pytest.fail("it does not end")


def test_rows_are_read_from_tabs_commas_and_semicolons_with_a_heading_or_without():
    wanted = (("a dog", "mbwa"), ("a cat, small", "paka"))
    assert pairs.read("a dog\tmbwa\n# note\n\na cat, small\tpaka\n").pairs == wanted
    assert pairs.read('a dog, mbwa\n"a cat, small", paka').pairs == wanted
    assert pairs.read("Swahili;English\nmbwa;a dog\npaka;a cat, small\n").pairs == wanted
    assert pairs.read("english\tsw\r\na dog\tmbwa\r\na cat, small\tpaka").pairs == wanted


def test_each_bad_line_is_told_with_its_number():
    found = pairs.read("a dog\tmbwa\nonly one\na dog\tmbwa\n…\tpaka\n" + "x" * 501 + "\ty\na\tb\u0007b\n")
    assert [(each.line, each.key) for each in found.faults] == [
        (2, "teach_fault_columns"),
        (3, "teach_fault_same"),
        (4, "teach_fault_empty"),
        (5, "teach_fault_long"),
        (6, "teach_fault_control"),
    ]
    assert found.missing == 19
    assert all(WORDS(each.key, **each.values) for each in found.faults)


def test_the_training_takes_every_pair_that_passed(tmp_path):
    given = "#hash, kelele\n" + "".join(f'"dog, {n} ""x""", mbwa {n}\n' for n in range(25)) + "bad\n"
    given = given.replace("#hash", '" #hash"')
    found = pairs.read(given)
    path = tmp_path / "pairs.tsv"
    path.write_text(found.tsv(), encoding="utf-8")
    assert language_pairs.read(path) == language_pairs.PairsFile(found.pairs, ())
    assert len(found.pairs) == 26
    assert (taught.FOLDER, taught.SUFFIX) == (acquirer_files.FOLDER, acquirer_files.SUFFIX)


def test_a_file_is_read_with_its_mark_and_what_is_no_text_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "pairs.csv"
    path.write_bytes("a dog,كلب\n".encode("utf-16"))
    assert pairs.read_file(path).pairs == (("a dog", "كلب"),)
    path.write_bytes(b"a dog,\xff\n")
    with pytest.raises(QueryError, match="not in UTF-8"):
        pairs.read_file(path)
    monkeypatch.setattr(pairs, "MAX_BYTES", 3)
    with pytest.raises(QueryError, match="more than 3 bytes"):
        pairs.read_file(path)


def test_the_checks_name_the_language_and_count_what_is_missing_and_unknown(services):
    few = actions.teach_check(services, "sw_TZ", "a dog\tmbwa\nbad\n")
    assert (few["language"], few["name"], few["missing"], few["ready"]) == ("sw-TZ", "Swahili (Tanzania)", 19, False)
    assert few["problems"] == [{"line": 2, "reason": "it has 1 columns; wanted two, English and the language"}]
    whole = actions.teach_check(services, "qaa", ROWS)
    assert whole["ready"] and whole["unknown_share"] == 1.0, "the tiny tokenizer knows neither mbwa nor numbers"
    assert whole["too_long"] == 0
    alike = actions.teach_check(services, "sw", "".join(f"a dog\tmbwa {n}\n" for n in range(25)))
    assert (alike["missing"], alike["ready"]) == (0, False)


def test_the_check_shows_how_the_table_was_read_and_columns_that_changed_places_are_not_ready(services):
    pairs_of = [(f"the dog barks at number {n}", f"mbwa anabweka {n}") for n in range(25)]
    headed = actions.teach_check(
        services, "sw", "Kiswahili;English;Note\n" + "".join(f"{b};{a};\n" for a, b in pairs_of)
    )
    assert headed["ready"] and not headed["swapped"] and headed["lacking"] == ""
    understood = headed["understood"]
    assert understood["columns"] == [["Kiswahili", "text"], ["English", "english"]]
    assert (understood["separator"], understood["passed_over"], len(understood["rows"])) == (";", ["Note"], 5)
    turned = "".join(f"{other}\t{english}\n" for english, other in pairs_of)
    found = actions.teach_check(services, "sw", turned)
    assert found["swapped"] and not found["ready"]
    assert "“mbwa anabweka 0” was read as English" in found["lacking"]
    with pytest.raises(QueryError, match="Put English first"):
        actions.teach_start(services, "sw", turned)
    shown = tab.show_check(services, "sw", turned, None)
    assert "Put English first" in shown.html and "separated by Tab" in shown.html
    assert not shown.training and not shown.words


@pytest.mark.parametrize(
    ("code", "rows", "reason"),
    [
        ("", ROWS, "code first"),
        ("en-GB", ROWS, "English"),
        ("no code!", ROWS, "not a language code"),
        ("sw", "", "Type"),
    ],
)
def test_what_cannot_be_checked_is_told_so(services, code, rows, reason):
    with pytest.raises(CacaraError, match=reason):
        actions.teach_check(services, code, rows)
    with pytest.raises(CacaraError):
        actions.teach_start(services, code, rows)
    assert actions.teach_status(services)["last"] is None


def test_a_taught_language_is_read_at_once_also_after_a_restart_and_can_be_taken_away(services, model):
    before = model.encode_text(["hund"], "sw")
    assert "sw" not in services.engine.languages()
    actions.teach_start(services, "sw", ROWS)
    last = wait(services)["last"]
    assert (last["state"], last["before"]["R@10"], last["after"]["R@10"]) == ("done", 30.0, 80.0)
    assert model.part(Acquirers).languages == ("sw",)
    assert "sw" in services.engine.languages()
    after = model.encode_text(["hund"], "sw")
    assert not (before == after).all()
    assert (model.encode_text(["hund"], "de") == model.encode_text(["hund"], "de")).all()

    model.part(Acquirers).remove("sw")  # as a model is that was just loaded
    fresh = TaughtLanguages(services.trainings.taught.folder.parent)
    fresh.refresh(services.engine.retriever(WORDS))
    assert (model.encode_text(["hund"], "sw") == after).all()

    with pytest.raises(QueryError, match="was not taught"):
        actions.forget(services, "../sw", "")
    actions.forget(services, "sw", "")
    assert actions.teach_status(services)["taught"] == []
    assert (model.encode_text(["hund"], "sw") == before).all()


def test_a_taught_language_is_in_the_menu_while_its_model_still_prepares(services, model, monkeypatch):
    actions.teach_start(services, "sw", ROWS)
    wait(services)
    model.part(Acquirers).remove("sw")  # as where the model is not loaded yet, and so reads nothing anew
    monkeypatch.setattr(services.engine, "refresh", lambda: None)
    assert "sw" not in services.engine.languages()
    now = tab.look(services)
    assert [code for _, code in now.known].count("sw") == 1


def test_a_language_that_the_model_read_before_is_read_so_again_once_it_is_taken_away(services, model):
    model.part(Acquirers).add(acquirer_file(model, "sw", seed=9))
    before = model.encode_text(["hund"], "sw")
    actions.teach_start(services, "sw", ROWS)
    wait(services)
    assert not (model.encode_text(["hund"], "sw") == before).all()
    actions.forget(services, "sw", "")
    assert (model.encode_text(["hund"], "sw") == before).all()


def test_a_damaged_file_or_one_of_another_model_is_left_unread(services, model, caplog):
    place = services.trainings.taught.folder_of("mla")
    place.mkdir(parents=True)
    (place / "de.safetensors").write_bytes(b"no such thing")
    acquirer_files.write(place / "fr.safetensors", dataclasses.replace(acquirer_file(model, "fr"), space="0" * 12))
    acquirer_files.write(place / "es.safetensors", acquirer_file(model, "pt"))
    services.engine.refresh()
    assert model.part(Acquirers).languages == ()
    assert "de.safetensors is not read" in caplog.text
    assert "es.safetensors holds pt" in caplog.text


def test_only_one_runs_and_it_can_be_cancelled(services):
    slow = "sleep\tlala\n" + ROWS
    now = tab.start(services, "sw", slow, None, "")
    assert now.running and "<progress" in now.job
    with pytest.raises(JobError, match="running already"):
        actions.teach_start(services, "sw", ROWS)
    tab.cancel(services, "")
    assert wait(services)["last"]["state"] == "cancelled"
    assert "nothing was changed" in tab.look(services).job
    assert services.trainings.taught.of("mla") == {}


def test_on_a_public_server_only_the_team_lead_teaches(services):
    public = dataclasses.replace(services, access=Access(public=True, admin_token="right"))
    for token in ("", "wrong"):
        with pytest.raises(PermissionRefusedError):
            actions.teach_start(public, "sw", ROWS, token)
        assert "team lead" in tab.cancel(public, token).notice
        assert "team lead" in tab.forget(public, "sw", token).notice
    assert actions.teach_start(public, "sw", ROWS, "right")["last"]["language"] == "sw"
    wait(public)


def test_without_a_model_that_takes_languages_words_can_be_taught_and_nothing_is_trained(services, monkeypatch):
    monkeypatch.setattr(Trainings, "models", lambda self: [])
    shown = tab.show_check(services, "sw", ROWS, None)
    assert shown.words and not shown.training
    assert "mla is not installed" in tab.start(services, "sw", ROWS, None, "").notice


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_hostile_rows_and_warnings_are_text_in_every_language(services, code):
    rows = f"{HOSTILE}\t<b>mbwa</b>\n{ROWS}{HOSTILE}\n"
    html, words, training = tab.show_check(services.speaking(wording(code)), "sw", rows, None)
    assert words and training and "<img" not in html and "<b>" not in html and "&lt;b&gt;mbwa" in html
    if code == "en":
        tab.start(services.speaking(wording(code)), "sw", rows, None, "")
        wait(services)
    assert "<b>" not in tab.look(services.speaking(wording(code))).job
    assert "<" not in tab.name_of(services.speaking(wording(code)), "<b>")


def test_programs_get_plain_values(services):
    json.dumps(actions.teach_check(services, "sw", ROWS))
    json.dumps(actions.teach_start(services, "sw", ROWS))
    json.dumps(wait(services))
