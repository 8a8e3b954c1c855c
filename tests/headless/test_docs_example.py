"""The Python example of docs/headless.md, run as it stands there, with other paths."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.headless.portrait import draw_portrait
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.headless.processors import CrossProcessor
from zoo import drawn_faces

PAGE = Path(__file__).resolve().parents[2] / "docs" / "headless.md"
PATHS = re.compile(r"^(MODELS, PHOTO, PORTRAIT) = .+\n", re.MULTILINE)


@pytest.fixture(scope="module")
def example() -> str:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return code


def test_the_example_has_ten_lines(example):
    imports, paths, steps = PATHS.split(example)
    assert paths == "MODELS, PHOTO, PORTRAIT" and len(steps.split("\n")) == 10 + 2  # one empty before, one after
    assert all(not line or line.startswith(("import ", "from ")) for line in imports.splitlines())


def test_the_example_draws_what_the_command_draws(example, zoo_models, tmp_path):
    photo, portrait = tmp_path / "person.png", tmp_path / "portrait.png"
    scene = drawn_faces.choose_scene(8, 4, 0, held_out=True)
    person = drawn_faces.sample_person(8, held_out=True)
    Image.fromarray(drawn_faces.draw_portrait(person, scene, 256).image).save(photo)
    paths = tuple(map(str, (zoo_models, photo, portrait)))
    names = {}
    with torch.inference_mode(False):
        exec(compile(PATHS.sub(lambda found: f"{found[1]} = {paths}\n", example), PAGE, "exec"), names)
    assert len(names["identity"].regions) == 5 and names["identity"].id_embedding is not None
    assert sum(isinstance(one, CrossProcessor) for one in names["pipeline"].unet.attn_processors.values()) == 7
    settings = PortraitSettings(base="zoo", face=str(photo), prompt="a man wearing a red hoodie", steps=20, seed=1)
    pixels = np.asarray(Image.open(portrait))
    assert pixels.shape == (128, 128, 3) and pixels.std() > 3
    assert np.array_equal(pixels, np.asarray(draw_portrait(settings).images[0]))
