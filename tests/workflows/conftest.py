"""The files here import each other as plain modules; `--draw` writes the workflows for the editor."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))


def pytest_addoption(parser):
    parser.addoption("--draw", action="store_true", help="write workflows/NAME.json as their layouts draw them")
