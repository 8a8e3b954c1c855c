"""The nodes that need no download: a person who does not exist, and all models to draw them with."""

import importlib
import re
import shutil

import numpy as np
import pytest

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
