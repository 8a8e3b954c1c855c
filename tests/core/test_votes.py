"""Votes: what they say of two runs, by hand and by simulation, and files that are no votes."""

import json

import numpy as np
import pytest

from consistentid.evaluation.study import StudyError
from consistentid.evaluation.votes import (
    count_votes,
    make_table,
    measure_wilson,
    read_ballots,
    read_key,
    resample_crossed,
)

KEY = {
    "format": 1,
    "study": "s1",
    "questions": ["Who?", "What?"],
    "pairs": [
        {"id": f"p{n}", "runs": ["a", "b"], "pictures": [f"a{n}", f"b{n}"], "person": "x", "prompt": "y", "seed": 0}
        for n in range(4)
    ],
}


def write(folder, name: str, record) -> object:
    path = folder / name
    path.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return path


def ballot(voter: str, *winners, question: int = 0, study: str = "s1") -> dict:
    votes = [
        {"pair": f"p{n}", "question": question, "winner": winner, "seconds": 2} for n, winner in enumerate(winners)
    ]
    return {"format": 1, "study": study, "voter": voter, "votes": votes}


@pytest.fixture
def key(tmp_path):
    return read_key(write(tmp_path, "s.key.json", KEY))


def test_counts_by_hand(key, tmp_path):
    files = [
        write(tmp_path, "1.json", ballot("one", "b0", "b1", "a2", None)),
        write(tmp_path, "2.json", ballot("two", "b0", "b1", "b2")),
        write(tmp_path, "3.json", ballot("three", "a0", question=1)),
    ]
    person, text = count_votes(key, read_ballots(files, key))
    assert (person.question, person.runs, person.first, person.equal, person.second) == ("Who?", ("a", "b"), 1, 1, 5)
    assert (person.voters, person.pairs) == (2, 4) and person.share == pytest.approx(5.5 / 7)
    assert person.interval[0] < person.share < person.interval[1]
    assert person.wilson == pytest.approx(measure_wilson(5.5 / 7, 7))
    assert (text.second, text.first, text.share, text.interval) == (0, 1, 0.0, None), (
        "one vote has no interval drawn anew"
    )
    assert text.wilson == pytest.approx((0, 0.7935), abs=1e-4)
    rows = make_table([person, text]).rows
    assert rows[0][:6] == ["Who?", "b against a", "5", "1", "1", "78.6%"] and rows[1][6] == "-"


def test_of_a_voters_files_the_longest_counts(key, tmp_path):
    files = [
        write(tmp_path, "1.json", ballot("one", "b0")),
        write(tmp_path, "2.json", ballot("one", "b0", "a1")),
        write(tmp_path, "3.json", ballot("one", "b0")),
    ]
    (found,) = count_votes(key, read_ballots(files, key))
    assert (found.first, found.second, found.voters) == (1, 1, 1)


def test_the_interval_holds_voters_and_pairs():
    """Where pairs differ and voters agree, many voters do not make it narrow; where all differ, both do."""
    chance = np.random.default_rng(1)
    per_pair = np.tile((chance.random(12) < 0.7).astype(float), (40, 1))
    low, high = resample_crossed(per_pair)
    assert high - low > 0.4, "twelve pairs are twelve pairs, whoever looks"
    independent = (chance.random((40, 12)) < 0.7).astype(float)
    low, high = resample_crossed(independent)
    assert high - low < 0.2 and low < 0.7 < high
    assert resample_crossed(independent) == (low, high), "the same each time"


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Voters and pairs each have a leaning; the share over all of both is one half."""
    chance, inside = np.random.default_rng(0), 0
    for _ in range(60):
        leaning = chance.normal(0, 0.5, (15, 1)) + chance.normal(0, 0.8, (1, 20)) + chance.normal(0, 1, (15, 20))
        low, high = resample_crossed((leaning > 0).astype(float))
        inside += low <= 0.5 <= high
    assert inside >= 53


def test_missing_votes_and_single_voters():
    table = np.array([[1.0, np.nan, 0.0, 1.0]])
    low, high = resample_crossed(table)
    assert 0 <= low < 2 / 3 < high <= 1
    assert resample_crossed(np.ones((3, 4))) is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("<html>", r"v\.json cannot be read.*Name votes that the page of a study saved"),
        ("[]", r"v\.json cannot be read \(it is not an object\)"),
        (KEY, r"v\.json cannot be read \(it lacks voter, votes"),
        (ballot("one", "b0", study="s2"), r"v\.json holds votes of the study s2; the key is that of s1"),
        (ballot("one", "b1"), r"v\.json: vote 1 is of a picture"),
        (ballot("one", "b0", question=2), r"v\.json: vote 1 is of a picture or a question"),
        (ballot(3, "b0"), r"v\.json cannot be read \(voter is 3, not a str"),
    ],
)
def test_files_that_are_no_votes(record, message, key, tmp_path):
    with pytest.raises(StudyError, match=message):
        read_ballots([write(tmp_path, "v.json", record)], key)


def test_a_key_that_is_none(tmp_path):
    with pytest.raises(StudyError, match=r"none\.json cannot be read.*the key that 'evaluate study' wrote"):
        read_key(tmp_path / "none.json")
    with pytest.raises(StudyError, match=r"it lacks questions, pairs"):
        read_key(write(tmp_path, "v.json", ballot("one", "b0")))
