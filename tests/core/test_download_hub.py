"""Files of Hugging Face, through the command line, with a mirror that is a server in this process."""

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("file_server", Path(__file__).with_name("file_server.py"))
file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_server)
Served = file_server.Served

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "ConsistentID_SDXL-v1.bin"
PINNED = f"/JackAILab/ConsistentID/resolve/{COMMIT}/{NAME}"
ADAPTER = f"consistentid/{NAME}"
CONTENT = bytes(range(256)) * 8000
DINO = "/facebook/dinov2-base"


def publish(mirror, repository, name, content, commit=COMMIT) -> dict:
    """Serve a file as the hub does: metadata at the branch, content at the commit. Returns its entry in the list."""
    sha256 = hashlib.sha256(content).hexdigest()
    head = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{sha256}"'}
    for revision in ("main", commit):
        mirror[f"{repository}/resolve/{revision}/{name}"] = Served(content, head=head)
    return {"rfilename": name, "size": len(content), "lfs": {"sha256": sha256, "size": len(content), "pointerSize": 9}}


def publish_all(mirror, contents: dict[str, bytes], commit=COMMIT) -> None:
    """Serve a repository whose JSON files are small, and therefore have no stated hash."""
    siblings = [publish(mirror, DINO, name, content, commit) for name, content in contents.items()]
    for entry in siblings:
        if entry["rfilename"].endswith(".json"):
            entry["lfs"] = None
    listing = {"id": "facebook/dinov2-base", "sha": commit, "siblings": siblings, "tags": [], "downloads": 0}
    mirror[f"/api{DINO.replace('/facebook', '/models/facebook')}/revision/main?blobs=true"] = Served(
        json.dumps(listing).encode()
    )


@pytest.fixture
def mirror():
    with file_server.serve() as files:
        publish(files, "/JackAILab/ConsistentID", NAME, CONTENT)
        yield files


@pytest.fixture
def start(mirror, tmp_path):
    """Start `python -m consistentid models ...` with the mirror and a models folder of this test."""

    def start(*words, **settings):
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"HF_ENDPOINT": mirror.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(tmp_path / "hf")}
        environment |= {"CONSISTENTID_MODELS": str(tmp_path), **settings}
        command = [sys.executable, "-m", "consistentid", "models", *words]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A test run in the background has SIGINT ignored, and hands that on; a signal with a handler is reset by exec.
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
        finally:
            signal.signal(signal.SIGINT, usual)

    return start


def finish(process) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_file_of_a_repository_comes_from_its_commit(start, mirror, tmp_path):
    code, out, err = finish(start("get", "adapter_sdxl", "--accept-licence"))
    assert code == 0, err
    assert "MIT (model card)" in out and f"now at {tmp_path / ADAPTER}" in out and "no hash of" in out
    assert f"{NAME}: 100%" in err
    assert (tmp_path / ADAPTER).read_bytes() == CONTENT
    assert [path for path, _ in mirror.asked] == [PINNED]
    record = json.loads((tmp_path / "consistentid/downloads.json").read_text())
    assert record["files"][ADAPTER]["source"] == mirror.url + PINNED
    assert record["licences"]["adapter_sdxl"]["licence"].startswith("MIT (model card)")

    code, out, err = finish(start("verify", "adapter_sdxl"))
    assert (code, err) == (0, "") and "as first downloaded" in out
    (tmp_path / ADAPTER).write_bytes(CONTENT[::-1])
    code, out, err = finish(start("verify", "adapter_sdxl"))
    assert code == 1 and "not the known file" in out


def test_a_hub_that_states_another_hash_than_the_manifest_is_refused(start, mirror, tmp_path):
    publish(mirror, "/JackAILab/ConsistentID", "ConsistentID-v1.bin", b"not the adapter")
    code, _, err = finish(start("get", "adapter_sd15", "--accept-licence"))
    assert code == 1 and "instead of 48cd9faab558c09565dfb4a355976ea44501fb496c11e3ced722286a8453765b" in err
    assert mirror.asked == [] and not list(tmp_path.glob("consistentid/*.bin*"))


def test_content_that_differs_from_what_the_hub_states_is_deleted(start, mirror, tmp_path):
    mirror[PINNED].content = CONTENT[::-1]
    code, _, err = finish(start("get", "adapter_sdxl", "--accept-licence"))
    assert code == 1 and hashlib.sha256(CONTENT).hexdigest() in err and "deleted" in err
    assert not list(tmp_path.glob("consistentid/*.bin*"))


def test_without_an_answer_the_licence_stays_open(start, mirror, tmp_path):
    code, out, err = finish(start("get", "adapter_sdxl"))
    assert code == 1 and "treat portraits as non-commercial" in out and "--accept-licence" in err
    assert mirror.asked == [] and not (tmp_path / "consistentid" / NAME).exists()


def test_offline_nothing_is_asked(start, mirror):
    code, _, err = finish(start("get", "adapter_sdxl", "--accept-licence", HF_HUB_OFFLINE="1"))
    assert code == 1 and "HF_HUB_OFFLINE" in err and f"models/{ADAPTER}" in err
    assert mirror.asked == []


def test_a_repository_that_is_gone_is_named(start, mirror):
    mirror.clear()
    code, _, err = finish(start("get", "adapter_sdxl", "--accept-licence"))
    assert code == 1 and "huggingface.co/JackAILab/ConsistentID/resolve/main" in err and "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="a signal for one process only")
def test_ctrl_c_leaves_a_part_that_goes_on(start, mirror, tmp_path):
    def stall(handler, served):
        handler.send(200, served.content[: 1 << 20], {"ETag": served.etag}, length=len(served.content))
        time.sleep(60)

    mirror[PINNED].faults = [stall]
    process = start("get", "adapter_sdxl", "--accept-licence")
    part = tmp_path / f"{ADAPTER}.partial"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size == 1 << 20) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130 and "go on where they stopped" in err and "Traceback" not in err
    assert part.stat().st_size == 1 << 20 and not (tmp_path / ADAPTER).exists()
    assert finish(start("get", "adapter_sdxl"))[0] == 0
    assert (tmp_path / ADAPTER).read_bytes() == CONTENT
    assert mirror.ranges(PINNED) == [None, f"bytes={1 << 20}-"]


def test_two_processes_download_once(start, mirror, tmp_path):
    def wait(handler, served):
        time.sleep(1)
        handler.send(200, served.content, {"ETag": served.etag})

    mirror[PINNED].faults = [wait]
    runs = [finish(process) for process in [start("get", "adapter_sdxl", "--accept-licence") for _ in range(2)]]
    assert [code for code, _, _ in runs] == [0, 0], runs
    assert sorted("now at" in out for _, out, _ in runs) == [False, True]
    assert len(mirror.asked) == 1 and (tmp_path / ADAPTER).read_bytes() == CONTENT


def test_a_whole_repository_becomes_a_folder(start, mirror, tmp_path):
    publish_all(mirror, {"model.safetensors": CONTENT, "config.json": b"{}", "pytorch_model.bin": b"twice the same"})
    code, out, err = finish(start("get", "region_encoder", "--accept-licence"))
    assert code == 0, err + str(mirror.asked)
    folder = tmp_path / "consistentid/dinov2-base"
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json"}
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    code, out, _ = finish(start("verify", "likeness"))
    assert code == 1 and out.count("as first downloaded") == 2 and "likeness_encoder" in out

    (folder / "model.safetensors").unlink()
    mirror.asked.clear()
    assert finish(start("get", "region_encoder"))[0] == 0
    assert [path.rpartition("/")[2] for path, _ in mirror.asked if "/resolve/" in path] == ["model.safetensors"]


@pytest.mark.parametrize("moved", [False, True])
def test_a_folder_is_of_one_commit(start, mirror, tmp_path, moved):
    publish_all(mirror, {"config.json": b"{1}", "gone.json": b"{}", "model.safetensors": CONTENT})
    weights = f"{DINO}/resolve/{COMMIT}/model.safetensors"
    mirror[weights].faults = [file_server.answer(404)]
    assert finish(start("get", "region_encoder", "--accept-licence"))[0] == 1
    folder = tmp_path / "consistentid/dinov2-base"
    assert (folder.with_name("dinov2-base.partial") / "gone.json").exists() and not folder.exists()

    mirror.asked.clear()
    if moved:
        later = COMMIT[::-1]
        publish_all(mirror, {"config.json": b"{2}", "model.safetensors": CONTENT[::-1]}, later)
    code, _, err = finish(start("get", "region_encoder"))
    assert code == 0, err
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    if moved:
        assert found == {"config.json": b"{2}", "model.safetensors": CONTENT[::-1]}
    else:
        assert found == {"config.json": b"{1}", "gone.json": b"{}", "model.safetensors": CONTENT}
        assert [path for path, _ in mirror.asked if "/resolve/" in path] == [weights]


@pytest.mark.parametrize("config", [b"{ }", b"{}"], ids=["another size", "same"])
def test_a_folder_of_another_version_is_not_completed(start, mirror, tmp_path, config):
    publish_all(mirror, {"config.json": b"{}", "model.safetensors": CONTENT})
    folder = tmp_path / "consistentid/dinov2-base"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(config)
    code, _, err = finish(start("get", "region_encoder", "--accept-licence"))
    assert (folder / "config.json").read_bytes() == config
    if config == b"{}":
        assert code == 0 and (folder / "model.safetensors").read_bytes() == CONTENT
    else:
        assert code == 1 and f"Delete or rename {folder}" in err and not (folder / "model.safetensors").exists()


def test_weights_of_another_version_are_noticed_by_their_hash(start, mirror, tmp_path):
    shards = {"a.safetensors": CONTENT, "b.safetensors": CONTENT}
    publish_all(mirror, {"config.json": b"{}", **shards})
    assert finish(start("get", "region_encoder", "--accept-licence"))[0] == 0
    folder = tmp_path / "consistentid/dinov2-base"
    (folder / "b.safetensors").unlink()
    publish_all(mirror, {"config.json": b"{}", **{name: CONTENT[::-1] for name in shards}}, COMMIT[::-1])
    code, _, err = finish(start("get", "region_encoder"))
    assert code == 1 and "a.safetensors is not the file of" in err and not (folder / "b.safetensors").exists()


def test_a_repository_with_one_name_in_two_cases_is_refused(start, mirror, tmp_path):
    publish_all(mirror, {"config.json": b"{}", "Config.json": b"{}", "model.safetensors": CONTENT})
    code, _, err = finish(start("get", "region_encoder", "--accept-licence"))
    assert code == 1 and "'config.json' is there twice" in err and "Traceback" not in err
    assert not (tmp_path / "consistentid/dinov2-base").exists()
