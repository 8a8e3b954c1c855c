"""Plans from the published table's form, from ours, and from what is wrong."""

import json
import shutil

import pytest

from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.plan import PlanError, read_plan
from consistentid.fingerprint import hash_path, hash_record


def write(folder, text, name="plan.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_published_table(photos):
    table = '\ufeffImage_Name,Prompt\nada.png,a man img reading a book\nben.png,"a man, imgs of hats"\n'
    plan = read_plan(write(photos, table), seeds=[1, 2], drop_word="img")
    assert [(case.person, case.prompt, case.seed) for case in plan.cases] == [
        ("ada", "a man reading a book", 1),
        ("ada", "a man reading a book", 2),
        ("ben", "a man, imgs of hats", 1),
        ("ben", "a man, imgs of hats", 2),
    ]
    assert plan.people == {"ada": (photos / "ada.png",), "ben": (photos / "ben.png",)}


def test_a_folder_is_one_person_and_rows_may_have_seeds(photos, tmp_path):
    person = tmp_path / "more" / "eve"
    person.mkdir(parents=True)
    for name in ("2.png", "1.PNG"):
        shutil.copy(photos / "ada.png", person / name)
    (person / "notes.txt").write_text("no photo")
    plan = read_plan(write(photos, "photo,prompt,seed\neve,a hat,5\neve,a hat,\neve,a hat,5\n"), person.parent, [9])
    assert plan.people == {"eve": (person / "1.PNG", person / "2.png")}
    assert [case.seed for case in plan.cases] == [5, 9], "a row that is there twice counts once"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_as_a_spreadsheet_writes_it(photos, delimiter):
    table = "\ufeffphoto|prompt|seed\r\nada.png|a man, in a hat|3\r\n".replace("|", delimiter)
    (case,) = read_plan(write(photos, table)).cases
    assert (case.person, case.prompt, case.seed) == ("ada", "a man, in a hat", 3)


def test_a_text_is_never_cut_at_a_comma(photos):
    with pytest.raises(PlanError, match=r"line 2: more cells than columns. Put texts with ',' in quotes"):
        read_plan(write(photos, "photo,prompt\nada.png,a man, in a hat\n"))


def test_json_multiplies_prompts_and_seeds(photos):
    record = {"people": {"A": ["ada.png", "ben.png"], "B": ["ben.png"]}, "prompts": ["x", "y"], "seeds": [3, 4]}
    plan = read_plan(write(photos, json.dumps(record), "plan.json"), seeds=[0])
    assert [(c.person, c.prompt, c.seed) for c in plan.cases][:3] == [("A", "x", 3), ("A", "x", 4), ("A", "y", 3)]
    assert len(plan.cases) == 8 and len(plan.people["A"]) == 2


def test_a_key_is_that_of_content_not_of_names(photos, tmp_path):
    """The same photo under another name, in another plan, is the same picture to draw; any change is another."""
    (case,) = read_plan(write(photos, "photo,prompt\nada.png,a hat\n")).cases
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(photos / "ada.png", other / "Zoë.png")
    shutil.copy(photos / "ben.png", other / "ada.png")
    renamed, swapped = read_plan(write(other, "photo,prompt\nZoë.png,a hat\nada.png,a hat\n")).cases
    assert renamed.key == case.key and swapped.key != case.key
    assert renamed.file == f"Zo-_{case.key}.png", "a name for any file system"
    keys = {c.key for c in read_plan(write(photos, "photo,prompt\nada.png,a hat\nada.png,a cap\n"), seeds=[0, 1]).cases}
    assert len(keys) == 4 and case.key in keys


def test_a_person_of_json_may_be_a_number(photos):
    text = '{"people": {"3": ["ada.png"]}, "cases": [{"person": 3, "prompt": "a hat", "seed": 0}]}'
    (case,) = read_plan(write(photos, text, "plan.json")).cases
    assert case.person == "3"


def test_a_gallery_keeps_a_plan_that_can_be_moved(plan, photos, tmp_path):
    Gallery(tmp_path / "out").keep_plan(plan)
    shutil.rmtree(photos)
    shutil.move(tmp_path / "out", tmp_path / "moved")
    again = read_plan(tmp_path / "moved" / "plan.json", seeds=[99])
    assert again.cases == plan.cases and again.sha256 == plan.sha256


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("name,prompt\na,b\n", "plan.csv", r"columns \['name', 'prompt'\].*needs 'photo' and 'prompt'"),
        ("photo,prompt\nada.png,a\nada.png,\n", "plan.csv", "line 3: the photo or the prompt is empty"),
        ("photo,prompt\nada.png,a\nada.jpg,a\n", "plan.csv", "ada.png and ada.jpg are both 'ada'"),
        ("photo,prompt\neve.png,a\n", "plan.csv", "eve.png, where no photo is.*--photos"),
        ("photo,prompt,seed\nada.png,a,-1\n", "plan.csv", "line 2: the seed is '-1'"),
        ("photo,prompt\n", "plan.csv", "has no row"),
        ("{}", "plan.json", r"is not a plan \(it lacks people\)"),
        ("[" * 200_000, "plan.json", r"is not a plan \(it is too deeply nested\)"),
        ('{"people": {"A": "ada.png"}, "prompts": ["a"]}', "plan.json", r"people\.A is not a list"),
        ('{"people": {"A": ["ada.png"]}, "prompts": "a hat"}', "plan.json", "prompts is not a list"),
        ('{"people": {"A": ["ada.png"]}, "prompts": [null]}', "plan.json", r"prompts\[0\] is None, not a str"),
        ('{"people": {"A": ["ada.png"]}, "prompts": ["a"], "seeds": ["x"]}', "plan.json", "the seed is 'x'"),
        ('{"people": {}, "cases": [{"person": "B", "prompt": "", "seed": 0}]}', "plan.json", "B, who are not"),
    ],
)
def test_what_is_wrong_is_named(text, name, message, photos):
    with pytest.raises(PlanError, match=message):
        read_plan(write(photos, text, name))


def test_hashes_of_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert hash_path(tmp_path / "a") == hash_path(tmp_path / "b")
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert hash_path(tmp_path / "a") != hash_path(tmp_path / "b")
    assert hash_record({"a": 1, "b": 2}) == hash_record({"b": 2, "a": 1}) != hash_record({"a": 2, "b": 1})
