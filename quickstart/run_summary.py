"""What the parts of a test run proved, and what they did not: from the reports that tests/run_report.py writes."""

import json
from collections import Counter, defaultdict
from datetime import timedelta

WIDTH = 100
REASON_LENGTH = 240
LONGEST = 5
KINDS = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")  # in pytest's order


def read_report(path):
    """The report of one pytest; None when it ended before it could write one."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def summarise(titles, reports, seconds):
    """Lines for people: each part's counts, what was not proved, what failed; the last line is as pytest's own.

    titles: of all parts. reports: {title: report or None} of those that were begun.
    """
    lines = [" what was proved, and where ".center(WIDTH, "#")]
    lines += [f"{title:<44}{_describe(title, reports)}" for title in titles]
    lines += _list_longest(reports) + _list_not_proved(titles, reports) + _list_failures(reports)
    total = sum((Counter(report["counts"]) for report in reports.values() if report), Counter())
    duration = f"{seconds:.2f}s" + (f" ({timedelta(seconds=int(seconds))})" if seconds >= 60 else "")
    return "\n".join([*lines, f" {_count(total)} in {duration} ".center(WIDTH, "=")])


def _describe(title, reports):
    if title not in reports:
        return "not begun"
    report = reports[title]
    return f"{_count(report['counts'])} in {report['seconds']:.0f} s" if report else "broken off: no report"


def _count(counts):
    """1 failed, 4 passed, 2 errors"""
    found = [(counts[kind], kind) for kind in KINDS if counts.get(kind)]
    named = (f"{number} {kind}{'s' * (kind == 'error' and number > 1)}" for number, kind in found)
    return ", ".join(named) or "no tests ran"


def _list_longest(reports):
    """The files that took most of each part's time; two processes share the work."""
    lines = []
    for title, report in reports.items():
        files = list((report or {}).get("seconds by file", {}).items())[:LONGEST]
        lines += [f"  {title}: {', '.join(f'{file} {seconds:.0f} s' for file, seconds in files)}"] if files else []
    return ["", "LONGEST:", *lines] if lines else []


def _list_not_proved(titles, reports):
    """A line for each part without a report, then one for each file and reason of skips, with their numbers."""
    skips = defaultdict(Counter)
    for title, report in reports.items():
        for test, reason in report["skips"] if report else ():
            skips[test.split("::")[0], " ".join(reason.split())[:REASON_LENGTH]][title] += 1
    lines = [f"  {title}: {_describe(title, reports)}" for title in titles if not reports.get(title)]
    lines += [
        f"  {file}, {' and '.join(f'{number} {title}' for title, number in parts.items())}: {reason}"
        for (file, reason), parts in skips.items()
    ]
    return ["", "NOT PROVED:", *lines] if lines else ["", "Nothing was skipped."]


def _list_failures(reports):
    lines = [f"  {title}: {test}" for title, report in reports.items() if report for test in report["failures"]]
    return ["", "FAILED:", *lines] if lines else []
