"""A study: which pairs are chosen, what its page gives away, and its key."""

import json
import re

import pytest
from PIL import Image

from consistentid.evaluation.study import QUESTIONS, StudyError, choose_pairs, write_study

NASTY = 'a </script><script>alert(1)</script> "hat" & {{ coat }}'


def make_run(folder, title: str, grey: int, people: int = 2, cases: int = 3) -> tuple[dict, object]:
    """A folder as `evaluate run` leaves it, with grey pictures; its last case was not drawn."""
    run = folder / title
    for part in ("pictures", "photos"):
        (run / part).mkdir(parents=True)
    rows, names = [], {}
    for person in map(str, range(people)):
        names[person] = [f"photos/{person}.png"]
        Image.new("RGB", (64, 64), (0, 0, 10 * int(person))).save(run / names[person][0])
        for seed in range(cases):
            file = f"{person}_{seed}.png"
            Image.new("RGB", (64, 96), (grey, grey, seed)).save(run / "pictures" / file)
            facts = {"key": f"k{person}{seed}", "person": person, "prompt": NASTY, "seed": seed, "picture": file}
            rows.append(facts | {"error": "", "scores": {}})
    rows[-1]["error"] = "no face"
    plan = {"people": names, "cases": [{key: row[key] for key in ("person", "prompt", "seed")} for row in rows]}
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return {"title": title, "cases": rows}, run


@pytest.fixture
def runs(tmp_path):
    pairs = [make_run(tmp_path, title, grey) for title, grey in (("ours", 60), ("theirs", 120), ("third", 200))]
    return [list(part) for part in zip(*pairs, strict=True)]


def test_pairs_of_the_first_run_with_each_other(runs):
    pairs = choose_pairs(*runs)
    assert len(pairs) == 2 * 5, "what one of the two did not draw is no pair"
    assert {pair.runs for pair in pairs} == {("ours", "theirs"), ("ours", "third")}
    assert len({pair.id for pair in pairs}) == 10 and all(file.is_file() for pair in pairs for file in pair.files)
    assert all(pair.files[0].name == pair.files[1].name for pair in pairs)


def test_a_few_pairs_are_spread_over_runs_and_people(runs):
    pairs = choose_pairs(*runs, count=4)
    assert len({(pair.runs, pair.person) for pair in pairs}) == 4
    assert choose_pairs(*runs, count=4) == pairs != choose_pairs(*runs, count=4, seed=1)


def test_the_page_holds_everything_and_tells_nobody_which_run_is_which(runs):
    page, key = write_study(choose_pairs(*runs), "A & B", side_px=48)
    assert "theirs" not in page and "ours" not in page.replace("yours", "").replace("hours", "")
    data = json.loads(re.search(r'<script id="study" type="application/json">(.*?)</script>', page, re.S)[1])
    told = json.loads(key)
    assert data["study"] == told["study"] and data["questions"] == list(QUESTIONS)
    assert len(data["photos"]) == 2 and len(data["pictures"]) == 15, "a picture of the first run is shown twice"
    assert {pair["prompt"] for pair in data["pairs"]} == {NASTY}
    sides = [
        pair["pictures"] == told_pair["pictures"] for pair, told_pair in zip(data["pairs"], told["pairs"], strict=True)
    ]
    assert 0 < sum(sides) < len(sides), "the order in the page is not that of the runs"
    assert page.count("<script") == 2 and "A &amp; B" in page
    assert not re.search(r"https?://|@import|url\(", re.sub(r"base64,[^\"]*", "", page))
    assert "default-src 'none'" in page and "connect-src" not in page


def test_what_cannot_be_a_study(runs, tmp_path):
    outcomes, folders = runs
    with pytest.raises(StudyError, match="same name"):
        choose_pairs([outcomes[0], outcomes[0]], folders[:2])
    lonely, folder = make_run(tmp_path, "lonely", 0)
    for row in lonely["cases"]:
        row["key"] += "x"
    with pytest.raises(StudyError, match="no picture of the same photo, prompt and seed"):
        choose_pairs([outcomes[0], lonely], [folders[0], folder])
    with pytest.raises(StudyError, match="at least one question"):
        write_study(choose_pairs(*runs), "x", [" "])
