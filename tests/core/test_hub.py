"""Captioners in the Hugging Face cache; every cache here is made by hand in its folder layout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consistentid.caption.hub import find_cached

ROOT = Path(__file__).resolve().parents[2]
LLAVA = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}, "text_config": {}}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def add(cache, hub_id, config=LLAVA, version="v1", weights="model-00001-of-00002.safetensors", main=None):
    repository = cache / ("models--" + hub_id.replace("/", "--"))
    snapshot = repository / "snapshots" / version
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if weights:
        (snapshot / weights).write_bytes(b"")
    if main:
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(main)
    return snapshot


def test_models_that_look_and_answer(cache):
    second = add(cache, "llava-hf/llava-1.5-7b-hf", main="v1")
    first = add(cache, "Qwen/Qwen2-VL-2B", LLAVA | {"architectures": ["Qwen2VLForConditionalGeneration"]})
    assert find_cached() == {"Qwen/Qwen2-VL-2B": first, "llava-hf/llava-1.5-7b-hf": second}
    assert list(find_cached()) == ["Qwen/Qwen2-VL-2B", "llava-hf/llava-1.5-7b-hf"]


@pytest.mark.parametrize(
    "options",
    [
        {"config": {"architectures": ["LlamaForCausalLM"]}},
        {"config": {"architectures": ["CLIPModel"], "vision_config": {}, "text_config": {}}},
        {"config": {"vision_config": {}}},
        {"config": {"vision_config": {}, "architectures": None}},
        {"config": {"vision_config": {}, "architectures": [1]}},
        {"config": "[]"},
        {"config": "1"},
        {"config": "<html>"},
        {"weights": None},
        {"weights": "pytorch_model.bin"},
    ],
    ids=str,
)
def test_other_models(cache, options):
    add(cache, "some/model", **options)
    assert find_cached() == {}


def test_the_version_called_main_wins_and_else_the_newest(cache):
    old, new = add(cache, "a/b", version="old"), add(cache, "a/b", version="new")
    os.utime(old / "config.json", (1, 1))
    assert find_cached() == {"a/b": new}
    (new.parents[1] / "refs").mkdir()
    (new.parents[1] / "refs" / "main").write_text("old\n")
    assert find_cached() == {"a/b": old}
    (new.parents[1] / "refs" / "main").write_text("never downloaded")
    assert find_cached() == {"a/b": new}


def test_a_config_is_read_once_and_a_change_is_seen(cache, monkeypatch):
    read, reads = json.loads, []
    monkeypatch.setattr(json, "loads", lambda text: reads.append(text) or read(text))
    whole, begun = add(cache, "a/b"), add(cache, "c/d", weights=None)
    for _ in range(3):
        assert find_cached() == {"a/b": whole}
    assert len(reads) == 2
    (begun / "model.safetensors").write_bytes(b"")
    assert find_cached() == {"a/b": whole, "c/d": begun}, "downloaded meanwhile"
    assert len(reads) == 2
    (whole / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    os.utime(whole / "config.json", (1, 1))
    assert find_cached() == {"c/d": begun} and len(reads) == 3


@pytest.mark.parametrize("kind", ["nowhere", "a file", "empty folders"])
def test_no_cache(cache, kind):
    if kind == "a file":
        cache.write_text("")
    elif kind == "empty folders":
        (cache / "models--a--b" / "snapshots" / "v1").mkdir(parents=True)
        (cache / "models--file").write_text("")
    assert find_cached() == {}


def test_no_hub_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", None)
    assert find_cached() == {}


@pytest.mark.parametrize(("variable", "below"), [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
def test_variables_are_honoured(tmp_path, variable, below):
    add(tmp_path / below, "a/b")
    code = "from consistentid.caption.hub import find_cached; print(list(find_cached()))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {variable: str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == "['a/b']", run.stderr


def test_a_cached_model_loads(cache, llava_folder):
    from consistentid.caption.describe import Captioner, load_captioner

    snapshot = add(cache, "llava-hf/tiny", weights=None, main="v1")
    shutil.copytree(llava_folder, snapshot, dirs_exist_ok=True)
    assert isinstance(load_captioner(find_cached()["llava-hf/tiny"]), Captioner)
