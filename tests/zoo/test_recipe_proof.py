"""The proof: its plan, and its table of verdicts."""

import numpy as np
import pytest
from PIL import Image

from zoo.drawn_faces import choose_scene, draw_person, is_held_out, write_scene_prompt
from zoo.recipe.jury import Verdict
from zoo.recipe.proof import CELLS, PHOTOS, PROMPTS, SCENES, choose_settings, make_plan, write_table


def test_people_are_held_out_and_prompted_in_scenes_without_a_photo(tmp_path):
    plan, shown = make_plan(tmp_path, range(3))
    assert len(plan.cases) == 3 * PROMPTS == len(shown) and PHOTOS + PROMPTS <= SCENES
    for case in plan.cases:
        who, where = shown[case.key]
        assert is_held_out(who) and who == draw_person(int(case.person), held_out=True)
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
    assert len(set(settings.values())) == len(CELLS)


def test_the_table_counts_people_not_pictures_in_its_intervals():
    verdicts = [
        Verdict(str(person), 0.2 * person, {"eyes": float(person > 1)}, 0.5) for person in range(4) for _ in range(10)
    ]
    head, _, row = write_table({"cell": verdicts}).splitlines()
    assert head.count("|") == row.count("|") and " likeness | " in head
    assert row.startswith("| cell | 40 | 0.300 (")
    low, high = map(float, row.split("(")[1].split(")")[0].split(" to "))
    assert low == pytest.approx(0.1, abs=0.06) and high == pytest.approx(0.5, abs=0.06)
    assert row.endswith("0.500 (0.500 to 0.500) |")
