"""A part of the tests, and its report for the summary of `python quickstart test`: --part and --report."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

NEEDS_HOST = ("host", "server", "browser")
COUNTED = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")


def add_options(parser):
    parser.addoption(
        "--part",
        choices=("host", "older host", "rest"),
        help="only the tests that need a ComfyUI, those of them that are not marked once, or only the others",
    )
    parser.addoption("--report", metavar="FILE", help="write counts, failures and skips as JSON")


def needs_host(item) -> bool:
    return any(item.get_closest_marker(marker) for marker in NEEDS_HOST)


def belongs_to(item, part: str) -> bool:
    if part == "older host" and item.get_closest_marker("once"):
        return False
    return needs_host(item) == (part != "rest")


class RunReport:
    """With several processes, the counts are known in the one that hands out the tests."""

    def __init__(self):
        self.began = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        """After all markers have been set."""
        if not (part := config.getoption("--part")):
            return
        kept = [item for item in items if belongs_to(item, part)]
        config.hook.pytest_deselected(items=[item for item in items if not belongs_to(item, part)])
        items[:] = kept

    def pytest_terminal_summary(self, terminalreporter, config):
        if not (path := config.getoption("--report")):
            return
        stats = terminalreporter.stats
        report = {
            "seconds": time.monotonic() - self.began,
            "counts": {kind: len(stats[kind]) for kind in COUNTED if stats.get(kind)},
            "failures": [one.nodeid for kind in ("failed", "error") for one in stats.get(kind, ())],
            "seconds by file": add_up(report for reports in stats.values() for report in reports),
            "skips": [(one.nodeid, read_reason(one)) for one in stats.get("skipped", ())],
        }
        Path(path).write_text(json.dumps(report), encoding="utf-8")


def add_up(reports) -> dict[str, float]:
    """Seconds of all tests of a file, and of what they wait for; the longest first."""
    seconds = Counter()
    for report in reports:
        if hasattr(report, "nodeid"):
            seconds[report.nodeid.partition("::")[0]] += getattr(report, "duration", 0.0)
    return dict(seconds.most_common())


def read_reason(skipped) -> str:
    """longrepr is (file, line, "Skipped: reason")."""
    reason = skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else str(skipped.longrepr)
    return reason.removeprefix("Skipped: ")
