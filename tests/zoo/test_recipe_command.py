"""`python -m zoo.recipe`: from nothing to every model, by one step of training each."""

import shutil

import pytest

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.face.parsing import load_face_parser
from consistentid.face2diffusion.encoder import load_face2diffusion
from consistentid.headless.clip_vision import load_clip_vision
from consistentid.headless.pipeline import load_pipeline
from zoo.recipe import __main__ as command
from zoo.recipe.judge import load_judge

DETECTOR = "det_zoo.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, zoo_models):
    folder = tmp_path_factory.mktemp("zoo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "STEPS", dict.fromkeys(command.STEPS, 1) | {"image encoder": (1, 1)})
        patch.setattr(command, "PEOPLE", range(2))
        patch.setattr(command, "HEADS", range(0))
        patch.setattr(command, "OTHER_PEOPLE", range(10_000, 10_002))
        patch.setattr(command, "ADAPTER_PEOPLE", range(2500, 2503))
        patch.setattr("zoo.recipe.adapter.WORKERS", 0)
        patch.setattr("zoo.recipe.adapter.has_bfloat16", lambda: False)  # one process has one precision
        # A detector of one step finds no face, and Face2Diffusion's training needs one.
        patch.setattr(
            command.detector, "write_detector", lambda _, path: shutil.copy(zoo_models / "face" / DETECTOR, path)
        )
        command.main([str(folder)])
        shutil.rmtree(folder / "models" / "face")
        kept = {path: path.stat().st_mtime_ns for path in (folder / "models").rglob("*") if path.is_file()}
        command.main([str(folder)])
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items()), "what was there was made again"
    return folder


@pytest.mark.slow
def test_it_makes_every_model(folder):
    models = folder / "models"
    assert load_adapter(models / "consistentid_zoo.safetensors").config.name == ZOO.name
    assert load_pipeline(models / "base", ZOO).vae.config.scaling_factor == 1
    assert load_clip_vision(models / "image_encoder", ZOO).config.hidden_size == ZOO.sizes.image_width
    assert load_face_parser(models / "face_parsing.safetensors")
    assert {path.name for path in (models / "face").iterdir()} == {"det_zoo.onnx", ZOO.recogniser}
    assert load_face2diffusion(models / "face2diffusion").mapping.sizes.token == ZOO.width
    assert load_judge(folder / "judges" / "judge.safetensors")
    assert {path.name for path in (folder / "judges" / "face").iterdir()} == {"det_zoo.onnx", "independent_r.onnx"}


@pytest.mark.slow
def test_the_models_are_small_enough_to_come_with_the_pack(folder):
    sizes = {path: path.stat().st_size for path in (folder / "models").rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= 27e6  # 1.6 MB of them are Face2Diffusion's
