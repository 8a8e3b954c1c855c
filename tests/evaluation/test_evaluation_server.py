"""A real ComfyUI as the engine, with a workflow of its own nodes that needs no models.

The prompt names the file and the seed is the width, so that both can be seen in what comes back.
"""

from pathlib import Path

import pytest
from PIL import Image

from consistentid.evaluation.comfyui import ComfyUI
from consistentid.evaluation.engine import DrawingError, EngineError
from consistentid.evaluation.workflow import Places, Workflow
from quickstart.comfyui_server import running_server

pytestmark = [pytest.mark.server, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SCALE = {"image": ["1", 0], "upscale_method": "nearest-exact", "width": 1, "height": 32, "crop": "disabled"}
GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": ""}},
    "2": {"class_type": "ImageScale", "inputs": SCALE, "_meta": {"title": "Width"}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": ""}},
}
PLACES = Places(("LoadImage.image",), ("3.filename_prefix",), ("Width.width",), "SaveImage")


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    """(address, folder)"""
    folder = tmp_path_factory.mktemp("server")
    with running_server(comfyui, [], True, folder) as address:
        yield address, folder


def test_pictures_come_back_from_a_real_comfyui(server, photos, tmp_path):
    address, folder = server
    engine = ComfyUI(address, Workflow(GRAPH, PLACES), timeout_s=60, poll_s=0.1)
    Image.new("RGB", (64, 64), "green").save(tmp_path / "ada.png")
    assert engine.describe()["version"][0].isdigit()
    drawing, green = engine.draw(photos / "ada.png", "set/a hat", 48), engine.draw(tmp_path / "ada.png", "b", 40)
    assert drawing.image.size == (48, 32) and 0 <= drawing.seconds < 30
    assert list((folder / "output" / "set").glob("a hat_*.png")), "the prompt arrived"
    assert green.image.getcolors() == [(40 * 32, (0, 128, 0))], "not the other ada.png"
    again = engine.draw(tmp_path / "ada.png", "b", 40)
    assert again.image.tobytes() == green.image.tobytes(), "also out of the server's cache"
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises((DrawingError, EngineError), match="LoadImage"):
        engine.draw(tmp_path / "broken.png", "c", 8)
    with pytest.raises(EngineError, match=r"(?s)refused the workflow:.*(Width \(2\): Value 0 smaller|bigger than max)"):
        engine.draw(photos / "ada.png", "d", 10**6)
