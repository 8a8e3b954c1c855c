"""The command: a plan drawn by a ComfyUI, its report, a second run, and two runs side by side."""

import argparse
import json
import re
from html.parser import HTMLParser

import pytest
from stub_comfyui import GRAPH, running_stub

from consistentid.errors import ConsistentIDError
from consistentid.evaluation.command import add_command

NASTY = 'a <script>alert(1)</script> | *hat* & "coat"'


def run_command(*words) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", *map(str, words)])
    return arguments.run(arguments)


class Page(HTMLParser):
    """What a browser would load, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href", "data", "srcset")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def work(photos, tmp_path):
    rows = [["ada.png", "a red hat"], ["ada.png", NASTY], ["ben.png", "a red hat"]]
    quoted = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    (photos / "plan.csv").write_text(f"Image_Name,Prompt\n{quoted}\n", encoding="utf-8")
    (tmp_path / "workflow.json").write_text(json.dumps(GRAPH))
    return tmp_path


def test_a_run_its_second_run_and_a_comparison(work, dino_folder, face_package, capsys):
    plan, models = work / "photos" / "plan.csv", ["--dino", dino_folder]
    with running_stub() as stub:
        drawing = ["--workflow", work / "workflow.json", "--address", stub.address, "--seeds", 40, 41]
        stub.fault = lambda graph: (
            {"entry": {"status": {"messages": [["execution_error", {"node_id": "4"}]]}}}
            if (graph["2"]["inputs"]["text"] == NASTY and graph["4"]["inputs"]["seed"] == 41)
            else None
        )
        assert run_command("run", plan, work / "one", *drawing, *models, "--face-package", face_package) == 1, (
            "a picture is missing"
        )
        report = json.loads((work / "one" / "report.json").read_text())
        assert report["failures"] == {"cases": 6, "not_drawn": 1, "face_sim": 0} and len(stub.graphs) == 6
        assert report["summary"]["face_sim"]["n"] == 5 and report["summary"]["face_sim"]["mean"] > 0.99
        assert (report["summary"]["seconds"]["mean"], report["summary"]["seconds"]["n"]) == (0.25, 4)
        assert report["record"]["version"] == "0.3.64" and report["record"]["workflow"]["nodes"]["3"]["inputs"] == {
            "text": "ugly"
        }
        stub.fault = lambda graph: None
        assert run_command("run", plan, work / "one", *drawing, *models) == 0
        assert len(stub.graphs) == 7, "only the missing picture is drawn"
        drawing[-2:] = [41, 42]
        run_command("run", work / "one" / "plan.json", work / "two", *drawing, *models, "--template", "{prompt}!")
        assert stub.graphs[-1]["2"]["inputs"]["text"] == "a red hat!" and len(stub.graphs) == 13
    assert run_command("run", plan, work / "one", "--seeds", 40, 41, "--no-draw", *models) == 0, "without a server"
    capsys.readouterr()
    assert run_command("compare", work / "one", work / "two", "--out", work / "both") == 0
    out = capsys.readouterr().out
    assert "two \\- one" in out or "two - one" in out
    record = json.loads((work / "both" / "report.json").read_text())
    found = record["comparisons"][0]["metrics"]["dino"]
    assert (found["n"], found["mean"], found["better"]) == (6, 0.0, 0.5), "the same pictures"
    check_page((work / "both" / "report.html").read_text(encoding="utf-8"), pictures=2 + 12)
    check_page((work / "one" / "report.html").read_text(encoding="utf-8"), pictures=2 + 6)


def check_page(text: str, pictures: int) -> None:
    """Everything is in it, nothing else is asked for, and the plan's text is text."""
    page = Page(text)
    assert page.tags.count("img") == pictures and "script" not in page.tags
    assert page.sources and all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?://|url\(|@import", re.sub(r"base64,[^\"]*", "", text))
    assert "not measured" not in re.sub("<details>.*?</details>", "", text, flags=re.S), "folded away"
    assert NASTY in page.text and "not measured: no --clip" in page.text and "default-src 'none'" in text


def test_the_reports_say_what_was_measured_and_with_what(work, dino_folder):
    plan = work / "photos" / "plan.csv"
    assert run_command("run", plan, work / "out", "--no-draw", "--dino", dino_folder) == 1
    report = json.loads((work / "out" / "report.json").read_text())
    assert [row["error"] for row in report["cases"]] == ["not drawn yet"] * 3 and report["summary"] == {}
    assert report["scorers"]["dino"]["sha256"] and report["plan"]["people"]["ada"][0]["sha256"]
    assert report["fid"] is None and report["not_measured"]["fid"] == "not measured: no --inception"
    markdown = (work / "out" / "report.md").read_text(encoding="utf-8")
    assert "| CLIP-T ↑ | out | not measured: no --clip |" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert cells[0] == cells[1] and str(work) not in markdown, "no path of this machine in a report to be shared"
    assert str(work) not in json.dumps(report)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--settings FILE to draw with the headless engine, --workflow FILE for ComfyUI, or --no-draw"),
        (("--workflow", "w", "--settings", "s"), "Name one of --settings"),
        (("--settings", "none.json"), r"none\.json cannot be read as settings"),
        (("--settings", "s", "--inception", "no.pth"), r"--inception: there is no no\.pth"),
        (("--settings", "s", "--real", "nowhere"), "nowhere is no folder with pictures"),
    ],
)
def test_what_is_wrong_is_said_before_drawing(words, message, work):
    with pytest.raises(ConsistentIDError, match=message):
        run_command("run", work / "photos" / "plan.csv", work / "out", *words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stepz": 3}', "unknown setting stepz.*steps"),
        ('{"prompt": "x"}', "unknown setting prompt"),
        ('{"steps": "many"}', "cannot be read as settings"),
        ('{"steps": true}', r"cannot be read as settings \(steps is True, not a int\)"),
        ("[" * 200_000, "cannot be read as settings"),
        ('{"steps": 0}', "--steps 0"),
        ("[]", "cannot be read as settings"),
    ],
)
def test_settings_are_checked(text, message, work):
    (work / "s.json").write_text(text)
    with pytest.raises(ConsistentIDError, match=message):
        run_command("run", work / "photos" / "plan.csv", work / "out", "--settings", work / "s.json")


def test_runs_that_cannot_be_compared(work):
    with pytest.raises(ConsistentIDError, match="two or more"):
        run_command("compare", work / "one", "--out", work / "both")
    with pytest.raises(ConsistentIDError, match=r"report\.json cannot be read.*evaluate run"):
        run_command("compare", work / "one", work / "two", "--out", work / "both")
