"""log.jsonl: a line for every few steps, and one wherever a run went on from a checkpoint."""

import json
from collections.abc import Iterable
from pathlib import Path

from ..whole_file import replace_file

NAME = "log.jsonl"
RESUMED = "resumed"


def read_log(path: Path) -> list[dict]:
    """The numbers by step; those of whole lines, as a run that was killed may leave a piece of one."""
    return [line for line in _read_lines(path) if RESUMED not in line]


def read_resumptions(path: Path) -> list[int]:
    """The steps from which the run went on."""
    return sorted({line["step"] for line in _read_lines(path) if RESUMED in line})


def cut_log(path: Path, step: int) -> None:
    """Drop the lines after `step`, since a run that goes on from there writes them again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [line for line in _read_lines(path) if line["step"] <= step]
    with replace_file(path) as part:
        part.write_text(_write_lines(kept), encoding="utf-8")


def append_line(path: Path, line: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(_write_lines([line]))


def _write_lines(lines: Iterable[dict]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _read_lines(path: Path) -> list[dict]:
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
