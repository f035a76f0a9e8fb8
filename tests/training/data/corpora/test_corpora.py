from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows, SoundRow, TextRow, file_hash
from cacara.errors import ManifestError, SourceError
from cacara.media import audio
from cacara.sources.texts import text_hash
from training.data.corpora import check_leakage, collect, credits, held_out_sources, rules, train_clips
from training.data.corpora.credits import Credit
from training.data.corpora.fingerprint import COPY_SIMILARITY, DUPLICATE_SIMILARITY, fingerprint
from training.data.corpora.packages import PACKAGES

SIMUTRANS = "usr/share/games/simutrans/pak/sound"


def noise(path: Path, seed: int, seconds: float = 0.3, gain: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-1, 1, int(seconds * audio.SAMPLE_RATE_HZ))
    audio.write_wav(path, (gain * samples).astype(np.float32))
    return path


def package(folder: Path, names: dict[str, int]) -> Path:
    """A simutrans folder: file stem to the seed of its noise."""
    for stem, seed in names.items():
        noise(folder / SIMUTRANS / f"{stem}.wav", seed)
    return folder


def frozen(path: Path, folders: dict[str, Path], sounds: list[tuple[str, str, str, str]]) -> Path:
    """A benchmark of (split, concept, source, member) with an English sentence for each concept."""
    rows = [
        SoundRow(split, concept, f"{source}/{member}", source, member, file_hash(folders[source] / member))
        for split, concept, source, member in sounds
    ]
    texts = [TextRow(row.split, row.concept, "en", "own", "own", text_hash(row.concept), row.concept) for row in rows]
    benchmark_file.write(Rows("tiny", 1, {}, tuple(rows), tuple(texts)), path)
    return path


def test_every_table_can_be_read_and_every_concept_has_several_phrasings():
    concepts = rules.load_concepts()
    for key in PACKAGES:
        assert rules.load_rules(key, concepts), key
    for concept in concepts.values():
        assert len(concept.phrasings) >= 3, concept


def test_every_concept_is_used_by_some_rule():
    concepts = rules.load_concepts()
    used = {rule.concept for key in PACKAGES for rule in rules.load_rules(key, concepts)}
    assert set(concepts) - used == set()


@pytest.mark.parametrize(
    ("key", "relative", "concept"),
    [
        ("minetest", "default/sounds/default_gravel_footstep.2.ogg", "footsteps"),
        ("minetest", "default/sounds/default_gravel_dig.2.ogg", "gravel"),
        ("minetest", "fire/sounds/fire_flint_and_steel.ogg", "lighting a fire"),
        ("opensfx", "36_sheep.wav", "sheep"),
        ("opensfx", "34_unused_nothing.wav", None),
        ("wesnoth", "data/core/sounds/drake-hit-1.ogg", "dragon"),
        ("wesnoth", "sounds/button.wav", None),
        ("hydrogen", "Gimme A Hand 1.0/HandClap-Hard.wav", None),
        ("hydrogen", "Gimme A Hand 1.0/Fingersnap-Hard.wav", "finger snap"),
        ("searchandrescue", "hh60/engine_start.wav", "helicopter"),
        ("gcompris", "watercycle/resource/harbor1.wav", None),
        ("gcompris", "explore_farm_animals/resource/animals/dog.ogg", None),
    ],
)
def test_a_file_name_says_what_sounds(key, relative, concept):
    rule = rules.concept_of(relative, rules.load_rules(key, rules.load_concepts()))
    assert (rule.concept if rule else None) == concept


def test_a_pattern_without_a_slash_is_of_the_stem_alone():
    rule = rules.Rule(("fire*",), "fire", ())
    assert rule.matches("sounds/fire1.wav")
    assert not rule.matches("fire/sounds/hiss.wav")
    assert rules.Rule(("fire/*",), "fire", ()).matches("mods/fire/sounds/hiss.wav")
    assert not rules.Rule(("fire/*",), "fire", ()).matches("mods/campfire/hiss.wav")


def test_captions_are_the_rules_own_first_and_the_plain_noun_last():
    concept = rules.Concept("dog", "effect", ("a dog barking", "the bark of a dog", "a dog"))
    assert rules.captions(rules.Rule((), "dog", ()), concept) == concept.phrasings
    own = rules.Rule((), "dog", ("dogs in the street", "a dog"))
    assert rules.captions(own, concept) == ("dogs in the street", "a dog barking", "the bark of a dog", "a dog")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("cat\teffect", "concept 'cat'"),
        ("dog", "1 cells"),
        ("dog\tdog\tbark\tmore", "4 cells"),
        ("dog\tunknown", "not in concepts.tsv"),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(tmp_path, table, complaint):
    (tmp_path / "concepts.tsv").write_text("dog\teffect\ta dog\ncat\teffect\ta cat\n", encoding="utf-8")
    if table.startswith("cat"):
        (tmp_path / "concepts.tsv").write_text("cat\teffect\ta cat\n" + table, encoding="utf-8")
    (tmp_path / "arcade.tsv").write_text(f"# comment\n\n{table}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=f"line.*{complaint}"):
        rules.load_rules("arcade", rules.load_concepts(tmp_path), tmp_path)
    with pytest.raises(ManifestError, match="no table"):
        rules.load_rules("bzflag", {}, tmp_path)


def test_collected_clips_are_captioned_in_english_and_sorted(tmp_path):
    folder = package(tmp_path, {"horse": 1, "gavel": 2, "click": 3})
    clips = collect({"simutrans": folder, "cldr": tmp_path})
    assert [clip.clip_id for clip in clips] == ["simutrans/gavel", "simutrans/horse"]
    horse = clips[1]
    assert (horse.concept, horse.kind, horse.source, horse.licence) == ("horse", "effect", "simutrans", "Artistic-1.0")
    assert horse.captions == {"en": ("a horse neighing", "the whinny of a horse", "a horse")}
    assert horse.sha256 == file_hash(folder / SIMUTRANS / "horse.wav")
    assert clips == collect({"simutrans": folder})


def test_silent_short_unreadable_and_copied_sounds_are_dropped(tmp_path):
    folder = package(tmp_path, {"horse": 1})
    noise(folder / SIMUTRANS / "boing.wav", 2, gain=0.0)
    noise(folder / SIMUTRANS / "cash.wav", 3, gain=0.0002)
    noise(folder / SIMUTRANS / "gavel.wav", 4, seconds=0.05)
    noise(folder / SIMUTRANS / "tropic.wav", 1, gain=0.25)  # the horse at half its loudness
    (folder / SIMUTRANS / "dock.wav").write_bytes(b"no sound at all")
    assert [clip.clip_id for clip in collect({"simutrans": folder})] == ["simutrans/horse"]


def test_two_files_of_one_stem_have_ids_of_their_own(tmp_path):
    noise(tmp_path / "usr/share/games/wesnoth/1.16/data/core/sounds/mace.ogg", 1)
    noise(tmp_path / "usr/share/games/wesnoth/1.16/data/core/sounds/mace.wav", 2)
    ids = [clip.clip_id for clip in collect({"wesnoth": tmp_path})]
    assert ids == ["wesnoth/data/core/sounds/mace.ogg", "wesnoth/data/core/sounds/mace.wav"]


def test_music_is_capped_by_concept_and_effects_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["training.data.corpora.collect"], "MAX_MUSIC_PER_CONCEPT", 2)
    for number in range(4):
        noise(tmp_path / f"usr/share/hydrogen/data/drumkits/kit/Snare{number}.wav", number)
        noise(tmp_path / f"usr/share/hydrogen/data/drumkits/kit/Fingersnap{number}.wav", 10 + number)
    concepts = [clip.concept for clip in collect({"hydrogen": tmp_path})]
    assert (concepts.count("snare drum"), concepts.count("finger snap")) == (2, 4)


def test_the_licence_of_an_opensfx_clip_is_its_own(tmp_path):
    credit = {
        "36_sheep.wav": '"Sheep". By X. License: Creative Commons Zero 1.0.',
        "37_cow.wav": '"Cow". By X. License: Creative Commons Attribution-ShareAlike 3.0 Unported.',
        "38_horse.wav": '"Horse". By X. License: Creative Commons Attribution 3.0 Unported.',
        "67_lion.wav": '"Lion". By X.',
    }
    for seed, name in enumerate(credit):
        noise(tmp_path / "extracted" / name, seed)
    (tmp_path / "extracted" / "credits.json").write_text(json.dumps(credit), encoding="utf-8")
    licences = [clip.licence for clip in collect({"opensfx": tmp_path})]
    assert licences == ["CC0-1.0", "CC-BY-SA-3.0", "CC-BY-3.0", "CC-BY-SA-3.0"]


def test_a_folder_of_another_package_is_refused(tmp_path):
    with pytest.raises(SourceError, match="minetest: no folder"):
        collect({"minetest": package(tmp_path, {"horse": 1})})


def test_spoken_files_that_share_names_with_effects_are_left_alone(tmp_path):
    noise(tmp_path / "usr/share/games/hedgewars/Data/Sounds/Kiss.ogg", 1)
    noise(tmp_path / "usr/share/games/hedgewars/Data/Sounds/voices/Default/egg.ogg", 2)
    assert [clip.clip_id for clip in collect({"hedgewars": tmp_path})] == ["hedgewars/Kiss"]


def test_a_recording_is_known_again_at_another_gain_and_with_silence_around(tmp_path):
    one = fingerprint(noise(tmp_path / "one.wav", 1, gain=0.8))
    softer = fingerprint(noise(tmp_path / "two.wav", 1, gain=0.2))
    assert one.level_dbfs - softer.level_dbfs == pytest.approx(12.04, abs=0.05)
    samples = audio.load(tmp_path / "one.wav").waveform
    audio.write_wav(tmp_path / "padded.wav", np.concatenate([np.zeros(800, np.float32), samples]))
    padded = fingerprint(tmp_path / "padded.wav")
    assert padded.sounding_seconds == pytest.approx(one.sounding_seconds, abs=0.001)
    assert one.resembles(softer, DUPLICATE_SIMILARITY)
    assert one.resembles(padded, DUPLICATE_SIMILARITY)


def test_a_recording_is_known_again_in_a_lossy_encoding(tmp_path):
    rng = np.random.default_rng(5)
    seconds = np.arange(16000) / 16000
    samples = sum(np.sin(2 * np.pi * hz * seconds) * np.exp(-rng.uniform(1, 9) * seconds) for hz in (300, 700, 2100))
    samples = (0.2 * samples + 0.02 * rng.standard_normal(16000)).astype(np.float32)
    audio.write_wav(tmp_path / "one.wav", samples)
    soundfile.write(tmp_path / "one.ogg", samples, 16000)
    assert fingerprint(tmp_path / "one.wav").resembles(fingerprint(tmp_path / "one.ogg"), COPY_SIMILARITY)


def test_other_recordings_and_parts_of_one_are_not_taken_for_it(tmp_path):
    one = fingerprint(noise(tmp_path / "one.wav", 1, seconds=1.0))
    assert not one.resembles(fingerprint(noise(tmp_path / "other.wav", 2, seconds=1.0)), COPY_SIMILARITY)
    assert not one.resembles(fingerprint(noise(tmp_path / "part.wav", 1, seconds=0.8)), COPY_SIMILARITY)


@pytest.mark.parametrize("samples", [1600, 1700, 16001])
def test_a_fingerprint_exists_for_every_length_and_for_a_click(tmp_path, samples):
    click = np.zeros(samples, np.float32)
    click[samples // 2] = 1.0
    audio.write_wav(tmp_path / "click.wav", click)
    sound = fingerprint(tmp_path / "click.wav")
    assert sound.shape.shape == (640,)
    assert np.linalg.norm(sound.shape) == pytest.approx(1.0, abs=1e-5)
    assert sound.audible


def test_training_leaves_out_benchmark_recordings_and_dev_concepts(tmp_path):
    folder = package(tmp_path / "sim", {"horse": 1, "gavel": 2, "boing": 3, "cash": 4, "forest": 5, "tropic": 6})
    noise(tmp_path / "lin/usr/share/games/lincity-ng/sounds/DirtTrack2.wav", 6, gain=0.1)  # tropic again
    folders = {"simutrans": folder, "lincity": tmp_path / "lin"}
    path = frozen(
        tmp_path / "b.jsonl",
        folders,
        [
            ("test", "horse", "simutrans", f"{SIMUTRANS}/horse.wav"),
            ("test", "bird", "lincity", "usr/share/games/lincity-ng/sounds/DirtTrack2.wav"),
            ("dev", "boing", "simutrans", f"{SIMUTRANS}/boing.wav"),
        ],
    )
    clips = train_clips({"simutrans": folder}, path, folders)
    # horse is a test file, boing of a dev concept, tropic the recording of a test sound in another file
    assert [clip.clip_id for clip in clips] == ["simutrans/cash", "simutrans/forest", "simutrans/gavel"]
    check_leakage(clips, path, folders)


def test_a_planted_leak_is_found(tmp_path):
    folder = package(tmp_path / "sim", {"horse": 1, "gavel": 2, "boing": 3})
    folders = {"simutrans": folder}
    path = frozen(
        tmp_path / "b.jsonl",
        folders,
        [
            ("test", "horse", "simutrans", f"{SIMUTRANS}/horse.wav"),
            ("dev", "boing", "simutrans", f"{SIMUTRANS}/boing.wav"),
        ],
    )
    (clip,) = train_clips(folders, path)
    renamed = Path(shutil.copy(folder / SIMUTRANS / "horse.wav", tmp_path / "gavel.wav"))
    planted = {
        "is the benchmark's sound simutrans/.*horse.wav": dataclasses.replace(clip, path=renamed),
        "is the benchmark's sound": dataclasses.replace(clip, sha256=file_hash(renamed)),
        "dev concept 'boing'": dataclasses.replace(clip, concept="boing"),
        "captions in \\['de'\\]": dataclasses.replace(clip, captions={**clip.captions, "de": ("ein Hammer",)}),
    }
    for complaint, leak in planted.items():
        with pytest.raises(ManifestError, match=complaint):
            check_leakage([clip, leak], path, folders)


def test_leakage_cannot_be_judged_without_the_benchmarks_sounds(tmp_path):
    folder = package(tmp_path / "sim", {"horse": 1})
    path = frozen(
        tmp_path / "b.jsonl", {"simutrans": folder}, [("test", "horse", "simutrans", f"{SIMUTRANS}/horse.wav")]
    )
    with pytest.raises(ManifestError, match="need the sources simutrans"):
        check_leakage([], path, {})


def test_a_piece_of_a_benchmarks_sound_is_held_out(tmp_path):
    folder = package(tmp_path / "sim", {"gavel": 2})
    whole = noise(folder / SIMUTRANS / "horse.wav", 1, seconds=4.0)
    samples = audio.load(whole).waveform[9_600:48_000]  # 2.4 seconds out of its middle
    audio.write_wav(folder / SIMUTRANS / "cash.wav", (0.4 * samples).astype(np.float32))
    sounds = [("test", "horse", "simutrans", f"{SIMUTRANS}/horse.wav")]
    path = frozen(tmp_path / "b.jsonl", {"simutrans": folder}, sounds)
    assert [clip.clip_id for clip in train_clips({"simutrans": folder}, path)] == ["simutrans/gavel"]
    leak = next(clip for clip in collect({"simutrans": folder}) if clip.clip_id == "simutrans/cash")
    with pytest.raises(ManifestError, match=r"shares 2\.\d s with the benchmark's sound"):
        check_leakage([leak], path, {"simutrans": folder})


def test_a_benchmark_beside_is_held_out_too_with_its_concepts_and_recordings(tmp_path):
    folders = {"simutrans": package(tmp_path / "sim", {"gavel": 2, "cash": 5}), "cdda-soundpacks": tmp_path / "cdda"}
    pack = tmp_path / "cdda/sound/CC-Sounds"
    rows = ["| File Name | Author | License | Link |", "|---|---|---|---|"]
    for stem, seed, address in (("axe_1", 7, 1), ("shovel_1", 8, 1), ("hacksaw_1", 9, 2)):
        noise(pack / "tool" / f"{stem}.wav", seed)
        rows.append(f"| {stem}.wav | Ann | **CC BY 3.0** | https://freesound.org/people/Ann/sounds/{address}/ |")
    (pack / "tool/credits.md").write_text("\n".join(rows), encoding="utf-8")
    path = frozen(tmp_path / "b.jsonl", folders, [("test", "cash", "simutrans", f"{SIMUTRANS}/cash.wav")])
    frozen(tmp_path / "dev-2.jsonl", folders, [("dev", "axe", "cdda-soundpacks", "sound/CC-Sounds/tool/axe_1.wav")])
    clips = train_clips(folders, path)
    # axe_1 is the other benchmark's sound, shovel_1 is cut from the same recording
    assert [clip.clip_id for clip in clips] == ["cdda-soundpacks/hacksaw_1", "simutrans/gavel"]
    assert (clips[0].licence, clips[0].author, clips[0].recording) == ("CC-BY-3.0", "Ann", "https://freesound.org/s/2/")
    assert held_out_sources(path) == {"simutrans", "cdda-soundpacks"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC0", "CC0-1.0"),
        ("**CC0 1.0**", "CC0-1.0"),
        ("CC BY-SA 3.0", "CC-BY-SA-3.0"),
        ("Creative Commons Attribution-ShareAlike 3.0", "CC-BY-SA-3.0"),
        ("Attribution Noncommercial", "CC-BY-NC"),
        ("CC BY", "CC-BY"),
        ("OGA BY 3.0", "OGA-BY-3.0"),
        ("MIT License", "MIT"),
        ("by a friend", None),
    ],
)
def test_a_licence_is_known_by_its_short_name(text, name):
    assert credits.licence_name(text) == name


def test_credits_are_read_as_each_pack_writes_them(tmp_path):
    (tmp_path / "sources.md").write_text(
        "| Filename (sounds_) / Source | Author | License |\n| [bee][] | Ann | CC0 |\n"
        "| [loon_[02-03]][loon] | Bo | CC BY 3.0 |\n"
        "| Filename (sounds_node_) / Source | Author | License |\n| [dig_ice.*][ice] | Cy | CC BY-SA 4.0 |\n"
        "[bee]: https://freesound.org/s/1/\n[loon]: https://example.org/l\n[ice]: http://freesound.org/people/Cy/sounds/3/\n",
        encoding="utf-8",
    )
    found = credits.antum(tmp_path, ["sounds_bee.ogg", "sounds_loon_03.ogg", "sounds_node_dig_ice.2.ogg", "other.ogg"])
    assert found == {
        "sounds_bee.ogg": Credit("CC0-1.0", "Ann", "https://freesound.org/s/1/"),
        "sounds_loon_03.ogg": Credit("CC-BY-3.0", "Bo", "https://example.org/l"),
        "sounds_node_dig_ice.2.ogg": Credit("CC-BY-SA-4.0", "Cy", "https://freesound.org/s/3/"),
    }
    (tmp_path / "Credits.txt").write_text("Ann (Sound):\npop, rain,\ncrowd\n\nAll samples listed above CC BY 4.0\n")
    assert credits.by_author(tmp_path, ["a/rain.flac", "b/flush.flac"]) == {
        "a/rain.flac": Credit("CC-BY-4.0", "Ann (Sound)")
    }
    with pytest.raises(SourceError, match=r"no credits CREDITS\.md"):
        credits.by_heading(tmp_path, [])


def test_no_sound_that_may_not_be_used_commercially_is_in_the_tables():
    table = rules.load_rules("dynamic-surroundings", rules.load_concepts())
    for name in ("waterfall0", "waterfall5"):
        assert rules.concept_of(f"ambient/stream/{name}.ogg", table) is None
    for path in credits.TABLES.glob("*.tsv"):
        assert "NC" not in path.read_text(encoding="utf-8")
