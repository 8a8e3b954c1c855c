"""Downloads in threads, and the state of models as a list shows it."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from consistentid.model_files import background, state
from consistentid.model_files.background import Downloads
from consistentid.model_files.download import get_model
from consistentid.model_files.find import Places
from consistentid.model_files.manifest import read_manifest
from consistentid.model_files.records import Records
from consistentid.model_files.transfer import Address, DownloadError, Progress

MODELS = read_manifest()
ADAPTER = MODELS["adapter_sdxl"]


@pytest.fixture
def downloads():
    running = Downloads()
    yield running
    running.stop_all()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def start(downloads, folder, model=ADAPTER):
    downloads.start(model, folder, Places.below(model, folder))
    return downloads.list()[model.id]


@pytest.fixture
def endless(monkeypatch):
    """A transfer that goes on until it is stopped."""

    def transfer(address, partial, watch):
        put(partial)
        while True:
            watch.check()
            watch.report(Progress(partial.stem, 1, None))
            time.sleep(0.01)

    download = background.get_model.__globals__
    monkeypatch.setitem(download, "locate_file", lambda file: Address("https://e.x/file"))
    monkeypatch.setitem(download, "transfer", transfer)


def test_one_download_per_model_and_all_end_when_asked(downloads, endless, tmp_path):
    others = replace(ADAPTER, id="other", name="other.bin", files=(replace(ADAPTER.files[0], path="other.bin"),))
    for model in (ADAPTER, others):
        Records(tmp_path).accept(model)
    running = [start(downloads, tmp_path, model) for model in (ADAPTER, others)]
    wait_until(lambda: all(download.progress for download in running))
    with pytest.raises(DownloadError, match="already"):
        start(downloads, tmp_path)
    downloads.stop_all()
    assert not any(download.thread.is_alive() for download in running) and not downloads.list()
    kept = sorted(path.name for path in tmp_path.glob("consistentid/*.bin*"))
    assert kept == ["ConsistentID_SDXL-v1.bin.partial", "other.bin.partial"]


def test_stopping_also_ends_the_wait_for_another_process(downloads, endless, tmp_path):
    Records(tmp_path).accept(ADAPTER)
    with Records(tmp_path).lock(ADAPTER.id):
        waiting = start(downloads, tmp_path)
        downloads.stop(ADAPTER)
        assert waiting.kind == background.STOPPING
        wait_until(lambda: not downloads.list())
    assert waiting.progress is None and not list(tmp_path.glob("consistentid/*.partial"))


def test_every_failure_is_told(downloads, monkeypatch, tmp_path):
    refused = start(downloads, tmp_path)
    refused.thread.join()
    assert refused.kind == background.FAILED and "not accepted" in refused.error
    monkeypatch.setattr(background, "get_model", lambda *_: 1 / 0)
    broken = start(downloads, tmp_path)
    broken.thread.join()
    assert broken.error == "ZeroDivisionError: division by zero" and downloads.list() == {ADAPTER.id: broken}
    with pytest.raises(DownloadError, match="not being downloaded"):
        downloads.stop(ADAPTER)


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    order = []

    def hold(records):
        with records.lock("x"):
            order.append("other")

    with Records(tmp_path).lock("x"):
        thread = threading.Thread(target=hold, args=(Records(tmp_path),))
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def tell(id: str, folder: Path):
    return state.tell_state(MODELS[id], Places.below(MODELS[id], folder), Records(folder))


def test_a_file_counts_as_checked_only_after_a_download(tmp_path):
    assert tell(ADAPTER.id, tmp_path) == state.State(state.MISSING, tmp_path / "consistentid" / ADAPTER.name)
    path = put(tmp_path / "consistentid" / "mine" / ADAPTER.name)
    assert tell(ADAPTER.id, tmp_path) == state.State(state.UNVERIFIED, path)
    Records(tmp_path).remember({path: ("0" * 64, "https://e.x/file")})
    assert tell(ADAPTER.id, tmp_path) == state.State(state.FOUND, path)


def test_a_recorded_file_that_is_not_the_stated_one_is_not_checked(tmp_path):
    path = put(tmp_path / "consistentid/ConsistentID-v1.bin")
    Records(tmp_path).remember({path: ("0" * 64, "https://e.x/file")})
    assert tell("adapter_sd15", tmp_path).kind == state.UNVERIFIED


def test_a_folder_names_what_it_lacks(tmp_path):
    folder = put(tmp_path / "insightface/models/buffalo_l/det_10g.onnx").parent
    told = tell("face_analysis", tmp_path)
    assert (told.kind, told.path) == (state.INCOMPLETE, folder)
    assert "lacks w600k_r50.onnx" in told.problem and "det_10g" not in told.problem


def test_a_model_is_found_in_the_given_places_and_then_not_downloaded(tmp_path):
    path = put(tmp_path / "elsewhere" / ADAPTER.name)
    places = Places((path.parent,), tmp_path / "never" / ADAPTER.name)
    fetched = get_model(ADAPTER, tmp_path / "models", places=places)
    assert (fetched.path, fetched.new) == (path, False)


def test_every_model_has_a_page_to_read_before_a_download():
    pages = {id: model.card for id, model in MODELS.items()}
    assert pages["adapter_sd15"] == "https://huggingface.co/JackAILab/ConsistentID"
    assert pages["captioner"] == "https://huggingface.co/llava-hf/llava-1.5-7b-hf"
    assert pages["face_parser"] == "https://github.com/xinntao/facexlib"
    assert pages["face_analysis"] == "https://github.com/deepinsight/insightface"
    assert pages["face2diffusion"].startswith("https://drive.google.com/file/d/")
