"""The closing lines of `python quickstart test`."""

from quickstart.run_summary import read_report, summarise

SKIPS = [["a.py::x", "no Pack\n  in custom_nodes"], ["a.py::y", "no Pack in custom_nodes"], ["b.py", "no diffusers"]]
OLD = {"seconds": 61.2, "counts": {"passed": 5, "skipped": 3}, "failures": [], "skips": SKIPS}
NEW = {"seconds": 9, "counts": {"passed": 4, "error": 2, "failed": 1}, "failures": ["c.py::z"], "skips": SKIPS[:1]}


def test_each_part_its_skips_by_reason_and_one_total():
    lines = summarise(["old", "new"], {"old": OLD, "new": NEW}, 3725.5).splitlines()
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "old 5 passed, 3 skipped in 61 s",
        "new 1 failed, 4 passed, 2 errors in 9 s",
    ]
    assert "  a.py, 2 old and 1 new: no Pack in custom_nodes" in lines and "  b.py, 1 old: no diffusers" in lines
    assert "  new: c.py::z" in lines
    assert lines[-1].strip("=") == " 1 failed, 9 passed, 3 skipped, 2 errors in 3725.50s (1:02:05) "


def test_a_part_that_was_broken_off_or_not_begun_is_told(tmp_path):
    lines = summarise(["a", "b"], {"a": read_report(tmp_path / "none")}, 2.0).splitlines()
    assert lines[1].split(maxsplit=1) == ["a", "broken off: no report"] and lines[2].split() == ["b", "not", "begun"]
    assert lines[4:7] == ["NOT PROVED:", "  a: broken off: no report", "  b: not begun"]
    assert lines[-1].strip("=") == " no tests ran in 2.00s "


def test_nothing_skipped_is_said():
    text = summarise(["old"], {"old": OLD | {"skips": [], "counts": {"passed": 1}}}, 1.0)
    assert "Nothing was skipped." in text and "NOT PROVED" not in text
    assert "Nothing was skipped." not in summarise(["old"], {}, 1.0), "nobody knows"
