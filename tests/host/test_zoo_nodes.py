"""The nodes that need no download: a person who does not exist, and all models to draw them with."""

import importlib
import re
import shutil

import numpy as np
import pytest

from consistentid.adapter.config import RELEASED
from zoo.drawn_faces import draw_example

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def zoo(host):
    return importlib.import_module(f"{host.__name__}.nodes.zoo")


def test_a_person_in_two_scenes(zoo):
    first, second = (zoo.DrawPerson.execute(5, scene, 128).args for scene in (0, 1))
    for (image, caption, prompt), scene in ((first, 0), (second, 1)):
        example = draw_example(5, scene, 128)
        assert np.array_equal((image[0].numpy() * 255).round(), example.image)
        assert (caption, prompt) == (example.caption, example.prompt)
    assert first[1] == second[1] and first[2] != second[2], "the same face, elsewhere"
    assert zoo.DrawPerson.execute(6, 0, 128).args[1] != first[1]


def test_every_model_is_of_the_small_kind(host, zoo):
    model, clip, vae, _, adapter, analysis, _ = zoo.LoadZoo.execute().args
    config = host.consistentid.adapter.config.ZOO
    assert host.nodes.model.patching.detect_base(model) is config and adapter.config.name == config.name
    text, _ = clip.encode_from_tokens_scheduled(clip.tokenize("a woman wearing a red hoodie"))[0]
    assert text.shape == (1, 77, config.width)
    assert vae.decode(model.model.latent_format.process_out(text.new_zeros(1, 4, 16, 16))).shape == (1, 128, 128, 3)
    (face,) = host.consistentid.face.search.detect_faces(analysis, draw_example(3, 0, 256).image)
    assert face.id_embedding.shape == (512,)


@pytest.mark.parametrize("name", ["face/zoo_r.onnx", "base/unet", "image_encoder", "consistentid_zoo.safetensors"])
def test_a_pack_that_is_not_whole_says_so(host, zoo, zoo_models, tmp_path, monkeypatch, name):
    folder = tmp_path / "models"
    shutil.copytree(zoo_models, folder)
    lost = folder / name
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    files = host.consistentid.model_files.small_models
    monkeypatch.setattr(files, "ZOO_FOLDER", folder)
    monkeypatch.setattr(zoo, "find_zoo", lambda: files.find_zoo(folder=folder))
    error = host.consistentid.errors.CheckpointError
    with pytest.raises(error, match=rf"{re.escape(str(lost))} is missing\. Install the pack again"):
        zoo.LoadZoo.execute()


def test_a_choice_of_all_models(host):
    module = importlib.import_module(f"{host.__name__}.nodes.all_models")
    *models, side_px, width, height, cfg = module.LoadModels.execute(module.SMALL, "wide").args
    assert host.nodes.model.patching.detect_base(models[0]) is models[4].config
    assert (side_px, width, height, cfg) == ("256", 256, 128, 5.0)
    sizes = {config.name: [module.choose_size(config, shape) for shape in module.SHAPES] for config in RELEASED}
    assert sizes["sd15"] == [(512, 768), (640, 640), (768, 512)]
    assert sizes["sdxl"] == [(864, 1152), (1024, 1024), (1152, 864)]
    assert module.LoadModels.validate_inputs(module.SMALL) is True
    assert "'ID models' tab" in module.LoadModels.validate_inputs("Realistic_Vision_V6.0_NV_B1_fp16.safetensors")
