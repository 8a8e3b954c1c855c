"""Several ComfyUIs draw one plan: the report of one, also where servers stop."""

import json
import threading

import pytest
from stub_comfyui import GRAPH, running_stub
from test_evaluation_command import run_command

from consistentid.evaluation.engine import EngineError

PICTURES = 6


@pytest.fixture
def stubs():
    with running_stub() as one, running_stub() as other:
        yield one, other


@pytest.fixture
def run(photos, tmp_path):
    """Draw a plan of PICTURES with some servers; returns the report without what a clock says."""
    (photos / "plan.csv").write_text("photo,prompt\nada.png,a red hat\nben.png,a red hat\n", encoding="utf-8")
    (tmp_path / "workflow.json").write_text(json.dumps(GRAPH))

    def run(out: str, *addresses, models=()) -> dict:
        words = ["--workflow", tmp_path / "workflow.json", *models, "--seeds", *range(PICTURES // 2)]
        words += [word for address in addresses for word in ("--address", address)]
        assert run_command("run", photos / "plan.csv", tmp_path / out, *words) == 0
        report = json.loads((tmp_path / out / "report.json").read_text())
        for row in report["cases"]:
            row["scores"].pop("seconds", None)
        del report["title"], report["summary"]["seconds"], report["people"], report["prompts"]
        return report

    return run


def test_the_report_is_that_of_one_server(stubs, run, dino_folder, tmp_path):
    alone = run("alone", stubs[0].address, models=["--dino", dino_folder])
    stubs[0].graphs.clear()
    meet = threading.Barrier(2)  # each waits for the other's first picture
    for stub in stubs:
        stub.fault = lambda graph, stub=stub: None if stub.graphs else meet.wait(30) and None
    addresses = [*(stub.address for stub in stubs), f"{stubs[0].address}/"]
    assert (
        run("both", *addresses, models=["--dino", dino_folder]) == alone and alone["summary"]["dino"]["n"] == PICTURES
    )
    assert all(stub.graphs for stub in stubs) and sum(len(stub.graphs) for stub in stubs) == PICTURES
    seconds = [json.loads(file.read_text())["seconds"] for file in (tmp_path / "both" / "pictures").glob("*.json")]
    assert (seconds.count(None), seconds.count(0.25)) == (2, PICTURES - 2), "the first of each server has no time"


def test_a_server_that_stops_is_left_out(stubs, run, capsys):
    staying, stopping = stubs
    alone = run("alone", staying.address)
    staying.graphs.clear()
    stopped = threading.Event()
    staying.fault = lambda graph: stopped.wait(30) and None
    stopping.fault = lambda graph: [stopping.stop(), stopped.set()].clear()
    assert run("both", stopping.address, "http://127.0.0.1:9", staying.address) == alone
    assert len(staying.graphs) == PICTURES, "also the picture that the other had begun"
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9 is left out: " in said and f"{stopping.address} is left out: " in said


def test_without_a_server_nothing_is_lost(stubs, run, tmp_path):
    for stub in stubs:
        stub.fault = lambda graph, stub=stub: stub.stop() if len(stub.graphs) > 1 else None
    with pytest.raises(EngineError, match=r"(?s)No server is left; pictures are kept.*left out.*left out"):
        run("out", *(stub.address for stub in stubs))
    kept = len(list((tmp_path / "out" / "pictures").glob("*.png")))
    assert 0 < kept < PICTURES
    with running_stub() as third:
        run("out", third.address)
        assert len(third.graphs) == PICTURES - kept


def test_servers_of_different_versions_are_not_mixed(stubs, run):
    stubs[1].version = "0.33.0"
    with pytest.raises(EngineError, match=r"Different versions.*is 0\.3\.64.*is 0\.33\.0"):
        run("out", *(stub.address for stub in stubs))
    assert not stubs[0].graphs
