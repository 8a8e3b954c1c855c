"""A server of files in the place of Hugging Face, and the end of what a ComfyUI downloads from it."""

import hashlib
import importlib.util
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress

from scripts.workflows.files import ROOT

spec = importlib.util.spec_from_file_location("file_server", ROOT / "tests" / "core" / "file_server.py")
file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_server)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = bytes(range(256)) * 4000
SECONDS = 60
ADAPTER = "ConsistentID_SDXL-v1.bin"
ADAPTER_FILE = f"/JackAILab/ConsistentID/resolve/{COMMIT}/{ADAPTER}"
CHECKPOINT = "RealVisXL_V4.0.safetensors"
CHECKPOINT_FILE = f"/SG161222/RealVisXL_V4.0/resolve/{COMMIT}/{CHECKPOINT}"


class Creep:
    """A fault: half of the file comes, and the rest when `go_on` is set."""

    def __init__(self):
        self.go_on = threading.Event()

    def __call__(self, handler, served):
        body, code, headers = handler.choose_part(served)
        handler.send(code, body[: len(body) // 2], headers, length=len(body))
        self.go_on.wait()
        try:
            handler.wfile.write(body[len(body) // 2 :])
        except ConnectionError:
            handler.close_connection = True


@contextmanager
def serve_hub():
    """Has the SDXL adapter and checkpoint, and an SD1.5 adapter that is not the known one."""
    with file_server.serve() as files:
        for repository, name in (
            ("JackAILab/ConsistentID", ADAPTER),
            ("JackAILab/ConsistentID", "ConsistentID-v1.bin"),
            ("SG161222/RealVisXL_V4.0", CHECKPOINT),
        ):
            etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
            head = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(CONTENT)), "X-Linked-Etag": etag}
            for revision in ("main", COMMIT):
                files[f"/{repository}/resolve/{revision}/{name}"] = file_server.Served(CONTENT, head=head)
        yield files


def end_downloads(address: str) -> None:
    """Stop what runs on this server and wait until it has ended.

    Downloads that failed are remembered by the server as long as it runs.
    """
    deadline = time.monotonic() + SECONDS
    while running := [id for id, download in list_downloads(address).items() if download["state"] != "failed"]:
        assert time.monotonic() < deadline, f"still running after {SECONDS} s: {running}"
        for id in running:
            with suppress(urllib.error.HTTPError):  # it has just ended
                cancel_download(address, id)
        time.sleep(0.1)


def list_downloads(address: str) -> dict:
    with urllib.request.urlopen(f"{address}/consistentid/downloads", timeout=SECONDS) as response:
        return json.load(response)["downloads"]


def cancel_download(address: str, id: str) -> None:
    body, headers = json.dumps({"model": id}).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/consistentid/cancel", body, headers)
    urllib.request.urlopen(request, timeout=SECONDS).close()
