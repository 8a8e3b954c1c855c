"""Long work shows people how far it is and how long it takes; files get nothing of it."""

import sys

from consistentid.terminal import show_progress, tell_duration
from zoo.drawn_faces.__main__ import main as draw


class Terminal:
    """A standard error that people look at."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def look(monkeypatch) -> Terminal:
    """Called inside a test: pytest puts its own standard error back between a fixture and the test."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_bar_tells_what_is_done_and_the_time_left(monkeypatch):
    terminal = look(monkeypatch)
    watch = show_progress("Drawn", "picture")
    watch(0, 4)
    assert "Drawn:   0%" in terminal.text and "0/4" in terminal.text, "before the first is done"
    for done in range(1, 5):
        watch(done, 4)
    last = terminal.text.strip().splitlines()[-1].rpartition("\r")[2]
    assert "100%" in last and "4/4 [00:00<00:00" in last and "picture/s]" in last
    watch(0, 2)
    assert "0/2" in terminal.text, "the next work has its own bar"
    watch(2, 2)


def test_work_without_anything_to_do_shows_nothing(monkeypatch):
    terminal = look(monkeypatch)
    show_progress("Drawn", "picture")(0, 0)
    assert terminal.text == ""


def test_a_file_gets_no_bar(capsys):
    watch = show_progress("Drawn", "picture")
    watch(0, 1)
    watch(1, 1)
    assert capsys.readouterr() == ("", "")


def test_drawing_a_set_tells_each_picture(monkeypatch, tmp_path, capsys):
    terminal = look(monkeypatch)
    assert draw(["dataset", str(tmp_path / "set"), "--people", "2", "--scenes", "2", "--size", "64"]) == 0
    assert "0/4" in terminal.text and "4/4" in terminal.text
    assert capsys.readouterr().out == f"Records in {tmp_path / 'set'}: 4.\n"


def test_durations_are_as_people_say_them():
    said = [tell_duration(seconds) for seconds in (0.4, 89, 91, 3600, 7200, 100_000)]
    assert said == ["0 s", "89 s", "2 min", "60 min", "2 h 0 min", "27 h 47 min"]
