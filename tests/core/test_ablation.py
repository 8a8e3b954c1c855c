"""Rows of an ablation: what differs in each."""

from dataclasses import asdict
from pathlib import Path

import pytest

from consistentid.evaluation.ablation import ABLATIONS, NAMES, list_rows
from consistentid.evaluation.engine import EngineError
from consistentid.evaluation.plan import Plan
from consistentid.headless.portrait_settings import PortraitSettings

SETTINGS = PortraitSettings(face="x.png", steps=7, merge_at=0.3)
PLAN = Plan({"ada": (Path("ada.png"),)}, (), "", {"ada": "long face"})


def differences(row) -> dict:
    given = asdict(SETTINGS)
    return {name: value for name, value in asdict(row.settings).items() if value != given[name]}


def test_each_row_changes_one_thing():
    rows = {row.name: row for row in list_rows(["description", "pairs", "sampler", "merge"], SETTINGS, PLAN)}
    assert differences(rows["as-given"]) == {} and rows["as-given"].with_captions
    assert differences(rows["fixed-sentence"]) == {} and not rows["fixed-sentence"].with_captions
    assert differences(rows["pairs-both"]) == {"pairs": "both"}
    assert {name: differences(row) for name, row in rows.items() if name.startswith("scheduler")} == {
        f"scheduler-{name}": {"scheduler": name} for name in ("euler_a", "dpmpp_2m", "dpmpp_2m_karras", "ddim", "unipc")
    }
    assert [name for name in rows if name.startswith("merge")] == ["merge-at-0.0", "merge-at-0.6", "merge-at-1.0"]
    assert not {"pairs-first", "scheduler-euler", "merge-at-0.3"} & set(rows), "what is as given is drawn once"


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_row_is_a_run_that_can_be(name):
    for row in list_rows([name], SETTINGS, PLAN):
        row.settings.check()
        assert Path(row.name).name == row.name


def test_descriptions_are_needed_to_leave_them_out():
    with pytest.raises(EngineError, match=r"description of everybody; ada has none.*column caption"):
        list_rows(list(NAMES), SETTINGS, Plan(PLAN.people, (), ""))
