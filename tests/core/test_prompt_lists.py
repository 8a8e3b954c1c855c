"""Published lists of prompts and styles, in files like the authors', and plans made of them."""

import argparse
import json

import pytest
from PIL import Image

from consistentid.evaluation.command import add_command
from consistentid.evaluation.plan import PlanError, read_plan
from consistentid.evaluation.prompt_lists import PUBLISHED, read_prompts, read_styles

TABLE = """Image_Name,Prompt
x.png,a man on a boat
x.png,a man img eating an apple
y.png,a woman on a boat
y.png,"a drawing of a woman, in ink"
"""
STYLES = """import os
style_list = [
    {"name": "Ink", "prompt": "in ink, {prompt} .  thin lines", "negative_prompt": "paint"},
    {"name": "Snow", "prompt": 'snow, "{prompt}"'},
]
print("this must not run")
os.abort()
"""


@pytest.fixture
def clone(tmp_path):
    """A folder as the authors' repository is laid out."""
    for name, text in ((PUBLISHED["prompts"], TABLE), (PUBLISHED["styles"], STYLES)):
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_text(text, encoding="utf-8")
    for name in ("ada", "ben"):
        Image.new("RGB", (8, 8), "red" if name == "ada" else "blue").save(tmp_path / f"{name}.png")
    return tmp_path / "clone"


def run_command(*words) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", "plan", *map(str, words)])
    return arguments.run(arguments)


def test_prompts_are_those_of_one_person(clone, tmp_path):
    expected = ["{person} on a boat", "{person} eating an apple", "a drawing of {person}, in ink"]
    assert read_prompts(clone) == read_prompts(clone / PUBLISHED["prompts"]) == expected
    (tmp_path / "list.txt").write_text("a woman on a boat\n\na hat\n", encoding="utf-8")
    assert read_prompts(tmp_path / "list.txt") == ["{person} on a boat", "a hat"]


def test_styles_are_read_and_their_file_is_not_run(clone, tmp_path, capsys):
    assert [style.name for style in read_styles(clone)] == ["Ink", "Snow"]
    (tmp_path / "s.json").write_text('[{"name": "Ink", "prompt": "ink {prompt}"}]', encoding="utf-8")
    assert read_styles(tmp_path / "s.json")[0].prompt == "ink {prompt}" and capsys.readouterr().out == ""


def test_a_plan_of_prompts_styles_people_and_seeds(clone, tmp_path, capsys):
    people = ["--people", "woman", tmp_path / "ada.png", "--people", "old man", tmp_path / "ben.png"]
    assert run_command(tmp_path / "plans" / "p.json", "--prompts", clone, *people, "--seeds", 3, 4) == 0
    assert "2 people, 3 prompts, 0 styles: 12 pictures" in capsys.readouterr().out
    plan = read_plan(tmp_path / "plans" / "p.json")
    assert [case.prompt for case in plan.cases if case.person == "ben" and case.seed == 3] == [
        *("an old man on a boat", "an old man eating an apple", "a drawing of an old man, in ink")
    ]
    run_command(tmp_path / "s.json", "--styles", clone, *people)
    assert [case.prompt for case in read_plan(tmp_path / "s.json").cases][:2] == [
        *("in ink, a woman . thin lines", 'snow, "a woman"')
    ]
    run_command(tmp_path / "both.json", "--styles", clone, "--prompts", clone, *people)
    assert len(read_plan(tmp_path / "both.json").cases) == 2 * 3 * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--people", "woman", "ada.png"), "Name --prompts, --styles or both"),
        (("--people", "woman", "--prompts", "clone"), "first what prompts call them"),
        (("--people", "ada.png", "ben.png", "--prompts", "clone"), "first what prompts call them"),
        (("--people", "woman", "ada.png", "ada.png", "--prompts", "clone"), "a second 'ada'"),
        (("--people", "woman", "none.png", "--prompts", "clone"), r"names .*none\.png, where no photo is"),
        (("--people", "woman", "ada.png", "--prompts", "none"), r"none cannot be read.*clone of github\.com"),
        (("--people", "woman", "ada.png", "--prompts", "empty.csv"), "it needs 'prompt'"),
        (("--people", "woman", "ada.png", "--prompts", "wide.csv"), r"wide\.csv, line 3: more cells.*in quotes"),
        (("--people", "woman", "ada.png", "--styles", "empty.csv"), "cannot be read as styles"),
        (("--people", "woman", "ada.png", "--styles", "bad.json"), r"\[0\] lacks prompt"),
        (("--people", "woman", "ada.png", "--styles", "plain.json"), r"plain\.json: Ink cannot be used"),
        (("--people", "woman", "ada.png", "--styles", "code.py"), "cannot be read as styles"),
        (("--people", "woman", "ada.png", "--styles", "key.py"), r"key\.py cannot be read.*no literal: unhashable"),
        (("--people", "woman", "ada.png", "--styles", "deep.py"), r"deep\.py cannot be read.*too deeply nested"),
    ],
)
def test_what_is_wrong_is_said(words, message, clone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("photo\n", encoding="utf-8")
    (tmp_path / "wide.csv").write_text("photo,prompt\nx.png,a hat\ny.png,a man img, smiling\n", encoding="utf-8")
    (tmp_path / "bad.json").write_text('[{"name": "Ink"}]', encoding="utf-8")
    (tmp_path / "plain.json").write_text('[{"name": "Ink", "prompt": "ink"}]', encoding="utf-8")
    (tmp_path / "code.py").write_text("styles = [open('x')]", encoding="utf-8")
    (tmp_path / "key.py").write_text("styles = [{[]: 1}]", encoding="utf-8")
    (tmp_path / "deep.py").write_text(f"styles = [{'-' * 20000}1]", encoding="utf-8")
    with pytest.raises(PlanError, match=message):
        run_command("p.json", *words)


def test_folders_may_be_called_what_prompts_call_people(clone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "woman").mkdir()
    (tmp_path / "ada.png").rename(tmp_path / "woman" / "1.png")
    assert run_command("p.json", "--prompts", clone, "--people", "woman", "woman/") == 0
    assert read_plan("p.json").cases[0].prompt == "a woman on a boat"


def test_captions_of_people(clone, tmp_path):
    (tmp_path / "p.csv").write_text(
        "photo,prompt,caption\nada.png,x,long face\nada.png,y,\nben.png,x,\n", encoding="utf-8"
    )
    plan = read_plan(tmp_path / "p.csv")
    assert plan.captions == {"ada": "long face"}
    assert plan.captions_by_photo == {tmp_path / "ada.png": "long face"}
    assert json.loads(plan.to_json(dict.fromkeys([tmp_path / "ada.png", tmp_path / "ben.png"], "f")))["captions"]
    (tmp_path / "q.csv").write_text("photo,prompt,caption\nada.png,x,a\nada.png,y,b\n", encoding="utf-8")
    with pytest.raises(PlanError, match=r"line 3: a second caption for 'ada'"):
        read_plan(tmp_path / "q.csv")
    record = {"people": {"ada": ["ada.png"]}, "prompts": ["x"], "captions": {"eve": "round face"}}
    (tmp_path / "p.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(PlanError, match="'captions' name eve, who are not in 'people'"):
        read_plan(tmp_path / "p.json")
