"""`python quickstart check` runs every check, and fails when one of them does."""

import sys

import pytest

from quickstart import checks


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr(checks, "prepare_environment", lambda comfyui: None)
    monkeypatch.setattr(checks, "PYTHON", sys.executable)


def test_each_check_runs_whatever_the_others_found(monkeypatch, capfd):
    monkeypatch.setattr(checks, "CHECKS", {"one": ("-c", "raise SystemExit(3)"), "two": ("-c", "print('second ran')")})
    assert checks.run_checks() == 1
    told = capfd.readouterr().out
    assert "second ran" in told and told.endswith("Failed: one.\n")


def test_nothing_failed(monkeypatch, capfd):
    monkeypatch.setattr(checks, "CHECKS", {"one": ("-c", "")})
    assert checks.run_checks() == 0
    assert capfd.readouterr().out.endswith("All checks passed.\n")


def test_checks_are_of_files_that_are_there():
    for command in checks.CHECKS.values():
        if command[0] != "-m":
            assert (checks.REPO / command[0]).is_file()
