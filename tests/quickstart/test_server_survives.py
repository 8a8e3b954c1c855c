"""A running ComfyUI goes on, and draws the same picture, after what people and other programs do to it."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from quickstart import comfyui_server
from quickstart.comfyui_queue import run_graph
from quickstart.comfyui_server import log_tail, running_server
from quickstart.failure import Failure

pytestmark = [pytest.mark.host, pytest.mark.server, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = "mine.safetensors"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "consistentid").mkdir()
    shutil.copy(ROOT / "zoo" / "models" / "consistentid_zoo.safetensors", folder / "consistentid" / ADAPTER)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def address(comfyui, models, folder):
    """A server whose log knows the letters of western Europe only, as many a console of Windows."""
    usual = comfyui_server._environment
    comfyui_server._environment = lambda: {**usual(), "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    try:
        with running_server(comfyui, [models], on_cpu=True, folder=folder) as address:
            yield address
    finally:
        comfyui_server._environment = usual


def make_graph(**changes) -> dict:
    """The small models' portrait in two steps, with the adapter of the models folder. changes: {n + node: inputs}."""
    graph = json.loads((ROOT / "workflows" / "api" / "small_portrait_zoo.json").read_text(encoding="utf-8"))
    graph["2a"] = {"class_type": "ConsistentID_LoadAdapter", "inputs": {"adapter_name": ADAPTER}}
    graph["13"]["inputs"]["batch_size"], graph["14"]["inputs"]["steps"] = 1, 2
    for node in ("11", "12"):
        graph[node]["inputs"]["adapter"] = ["2a", 0]
    for node, inputs in changes.items():
        graph[node.removeprefix("n")]["inputs"] |= inputs
    return graph


def draw(address, folder, **changes) -> str:
    """A hash of the picture's pixels."""
    from PIL import Image

    (image,) = run_graph(address, make_graph(**changes))["16"]["images"]
    return hashlib.sha256(Image.open(folder / "output" / image["filename"]).tobytes()).hexdigest()


def run_again(address, folder, seed) -> str:
    return draw(address, folder, n14={"seed": seed})


def test_an_adapter_that_is_written_over(address, models, folder):
    import torch
    from safetensors.torch import load, save

    path = models / "consistentid" / ADAPTER
    before = path.read_bytes()
    first = run_again(address, folder, 5)
    other = {key: tensor * 0.5 if "to_v_ip" in key else tensor for key, tensor in load(before).items()}
    assert any(torch.any(tensor != load(before)[key]) for key, tensor in other.items())
    for content, is_first in ((save(other), False), (before, True)):
        with path.open("r+b") as file:
            file.truncate(0)
            file.write(content)
        assert (run_again(address, folder, 5) == first) is is_first
    os.truncate(path, 0)
    with pytest.raises(Failure, match=rf"{ADAPTER} \(0 bytes\)"):
        run_again(address, folder, 6)
    path.write_bytes(before)
    assert run_again(address, folder, 5) == first


def test_a_long_word(address, folder):
    """12,000 letters without a space, which a quadratic expression reads for twelve seconds."""
    draw(address, folder, n11={"prompt": "a" * 12_000})


WRONG = {
    "half an emoji": {"n11": {"prompt": "a \ud83d"}},
    "no number at all": {"n12": {"weight": float("nan")}},
    "nothing for a face": {"n8": {"face": {}}},
    "a text for a face": {"n8": {"face": "山水"}},
    "Chinese": {"n5": {"left_out": "山水"}},
    "Chinese and half an emoji": {"n5": {"left_out": "山\udfff水"}},
    "an unknown choice": {"n3": {"select": "山"}},
    "no number": {"n5": {"side_px": "²"}},
    "an unknown alignment": {"n11": {"alignment": "x"}},
    "an unknown framing": {"n5": {"framing": "\ud83d"}},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_and_the_next_run_is_the_same(address, folder, changes):
    first = run_again(address, folder, 7)
    with pytest.raises(Failure) as caught:
        draw(address, folder, **changes)
    assert not any(
        raw in str(caught.value)
        for raw in ("KeyError", "AttributeError", "TypeError", "invalid literal", "UnicodeEncodeError")
    )
    assert run_again(address, folder, 7) == first, log_tail(folder)
