"""The proof: its plan, and its table of verdicts."""

import json
import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.drawn_faces import choose_scene, is_held_out, sample_person, write_scene_prompt
from zoo.recipe import proof
from zoo.recipe.judge import Judge, write_judge
from zoo.recipe.jury import Verdict
from zoo.recipe.plots import plot_proof
from zoo.recipe.proof import (
    CELLS,
    PHOTOS,
    PROMPTS,
    SCENES,
    SEVEN,
    TOLD,
    choose_settings,
    compare_cells,
    find_stranger,
    make_plan,
    tell_faces,
    write_table,
)


def test_people_are_held_out_and_prompted_in_scenes_without_a_photo(tmp_path):
    plan, shown = make_plan(tmp_path, range(3))
    assert len(plan.cases) == 3 * PROMPTS == len(shown) and PHOTOS + PROMPTS <= SCENES
    for case in plan.cases:
        who, where = shown[case.key]
        assert is_held_out(who) and who == sample_person(int(case.person), held_out=True)
        assert case.prompt == write_scene_prompt(who, where)
        number = SCENES - PROMPTS + case.seed % PROMPTS
        assert where == choose_scene(int(case.person), SCENES, number, held_out=True)
    assert len({case.seed for case in plan.cases}) == len(plan.cases), "each picture has its own noise"
    photos = [np.asarray(Image.open(photo)) for photo in plan.people["1"]]
    assert len(photos) == PHOTOS and not np.array_equal(photos[0], photos[1])
    again, _ = make_plan(tmp_path / "again", range(3))
    assert again.sha256 == plan.sha256


def test_cells_differ_in_what_they_name_only(tmp_path):
    settings = {title: choose_settings(tmp_path / "models", tmp_path / "judges", CELLS[title]) for title in CELLS}
    both = settings["LoRA, both"]
    assert (both.weight, both.lora_weight, both.merge_at) == (1.0, 1.0, 0.0)
    assert (
        settings["base model"].adapter == both.adapter != settings["LoRA, both, trained without localisation"].adapter
    )
    assert settings[TOLD] == settings["base model"] and len(set(settings.values())) == len(CELLS) - 1
    for title, one in settings.items():
        differing = {item.name for item in fields(one) if getattr(one, item.name) != getattr(both, item.name)}
        allowed = {"brows", "hair"} if title == SEVEN else {"weight", "lora_weight", "merge_at", "adapter"}
        assert differing <= allowed, title
    tokens = {title: (one.weight > 0, one.merge_at < 1, one.lora_weight > 0) for title, one in settings.items()}
    assert tokens["base model"] == (False, False, False) and tokens["LoRA"] == (False, False, True)
    assert tokens["LoRA, ID tokens"] == (True, False, True) and tokens["LoRA, facial tokens"] == (False, True, True)


def test_the_table_counts_people_not_pictures_in_its_intervals():
    verdicts = [
        Verdict(f"{person}-{n}", str(person), {"likeness": 0.2 * person, "eyes": float(person > 1), "prompt": 0.5})
        for person in range(4)
        for n in range(10)
    ]
    head, _, row = write_table({"cell": verdicts}).splitlines()
    assert head.count("|") == row.count("|") and " likeness | " in head
    assert row.startswith("| cell | 40 | 0.300 (")
    low, high = map(float, row.split("(")[1].split(")")[0].split(" to "))
    assert low == pytest.approx(0.1, abs=0.06) and high == pytest.approx(0.5, abs=0.06)
    assert row.endswith("0.500 (0.500 to 0.500) |")


def test_words_for_a_face_stand_behind_the_same_prompt(tmp_path):
    plan, shown = make_plan(tmp_path, range(2))
    for case, told in zip(plan.cases, tell_faces(plan, shown).cases, strict=True):
        who, _ = shown[told.key]
        assert (told.key, told.seed) == (case.key, case.seed) and told.prompt.startswith(f"{case.prompt} Detail: ")
        assert who.eye_colour in told.prompt and f"{who.nose} nose" in told.prompt


def test_cells_are_compared_case_by_case(monkeypatch):
    """What one cell lacks is left out of the pair."""
    monkeypatch.setattr(proof, "PAIRS", (("new", "old"),))
    old = [Verdict(str(n), str(n), {"likeness": 0.1 * n, "nose": 1.0}) for n in range(5)]
    new = [Verdict(str(n), str(n), {"likeness": 0.1 * n + 0.05}) for n in (4, 2, 0, 1)]
    ((title, pairs),) = compare_cells({"old": old, "new": new}).items()
    assert title == "new - old" and [pair.case for pair in pairs] == ["4", "2", "0", "1"]
    assert all(pair.scores == {"likeness": pytest.approx(0.05)} for pair in pairs)
    assert "| new - old | 4 | 0.050 (0.050 to 0.050) |" in write_table({title: pairs})


def test_a_stranger_is_whom_the_prompt_may_mean_too():
    who = {str(seed): sample_person(seed, held_out=True) for seed in range(12)}
    for name, person in who.items():
        stranger = find_stranger(name, who)
        alike = [other for other in who.values() if (other.kind, other.age) == (person.kind, person.age)]
        assert stranger != person and (stranger in alike or len(alike) == 1)


@pytest.mark.slow
def test_a_whole_proof(zoo_models, tmp_path, monkeypatch, capsys):
    """Two people, one picture each in every cell, by judges that know nothing."""
    shutil.copytree(zoo_models, tmp_path / "models")
    shutil.copytree(zoo_models / "face", tmp_path / "judges" / "face")
    shutil.copy(zoo_models / proof.ADAPTER, tmp_path / "judges" / proof.UNLOCALISED)
    torch.manual_seed(0)
    write_judge(Judge(), tmp_path / "judges" / "judge.safetensors")
    monkeypatch.setattr(proof, "PEOPLE", range(2))
    monkeypatch.setattr(proof, "PROMPTS", 1)
    monkeypatch.setattr(proof, "STEPS", 2)
    assert proof.main([str(tmp_path)]) == 0
    record = json.loads((tmp_path / "proof" / "proof.json").read_text())
    assert {title: len(cell) for title, cell in record["verdicts"].items()} == dict.fromkeys(
        ["drawn, not generated", "drawn, through the autoencoder", "drawn strangers", *CELLS], 2
    )
    drawn, decoded, strangers = (
        np.mean([verdict["scores"]["likeness"] for verdict in record["verdicts"][title]])
        for title in list(record["verdicts"])[:3]
    )
    assert drawn > decoded > strangers + 0.3
    before, trained = (record["attention"][title]["mean"] for title in ("before", "with"))
    assert 0 < before < trained < 1
    assert record["attention"]["without localisation"]["mean"] == trained
    table = capsys.readouterr().out
    assert table.count("\n| ") >= len(CELLS) + 2 and "trained without localisation | 2 |" in table
    assert "| LoRA, both - LoRA, both, trained without localisation | 2 | 0.000 (0.000 to 0.000) |" in table
    for name, plot in plot_proof(table).items():
        assert plot.is_in(tmp_path / "proof" / name)
    assert (tmp_path / "proof" / "proof.md").read_text() in table
    (tmp_path / "proof" / "proof.png").unlink()
    with monkeypatch.context() as patches:
        patches.setattr(proof, "judge_cells", None)
        proof.main([str(tmp_path), "--measured"])
    assert plot_proof(table)["proof.png"].is_in(tmp_path / "proof" / "proof.png")
    assert capsys.readouterr().out.splitlines()[-3:] == table.splitlines()[-3:]
    drawn_at = {path: path.stat().st_mtime_ns for path in tmp_path.glob("proof/*/pictures/*.png")}
    assert len(drawn_at) == 2 * len(CELLS)
    proof.main([str(tmp_path)])
    again = {path: path.stat().st_mtime_ns for path in tmp_path.glob("proof/*/pictures/*.png")}
    assert again == drawn_at, "pictures that are there are kept, and no others drawn"
