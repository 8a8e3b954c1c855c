"""The stand-in models are what the real files' readers expect, and the same every time."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from insightface.app import FaceAnalysis
from insightface.utils.face_align import norm_crop
from PIL import Image
from skimage import data

import standins
import standins_files
import standins_shapes
from standins_parser import VIEWS, draw_labels

HER_FACE = (178, 62, 272, 180)
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
WIDTH = {"sd15": 768, "sdxl": 2048}
list_writers = standins._list_writers


@pytest.fixture(scope="module")
def face_app(tmp_path_factory):
    root = tmp_path_factory.mktemp("insightface")
    standins.write_face_analysis(root / "models" / "buffalo_l")
    app = FaceAnalysis(
        name="buffalo_l",
        root=str(root),
        providers=["CPUExecutionProvider"],
        allowed_modules=["detection", "recognition"],
    )
    app.prepare(ctx_id=0, det_size=(640, 640))
    return app


def detect(app, rgb):
    return app.get(np.ascontiguousarray(rgb[:, :, ::-1]))


def test_face_package_is_small_and_complete(tmp_path):
    standins.write_face_analysis(tmp_path)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"det_10g.onnx", "w600k_r50.onnx"}
    assert sum(sizes.values()) < 5_000_000


def test_detector_finds_the_astronaut(face_app, astronaut):
    (face,) = detect(face_app, astronaut)
    np.testing.assert_allclose(face.bbox, HER_FACE, atol=1)
    assert face.det_score > 0.95
    left_eye, right_eye, nose, left_mouth, right_mouth = face.kps
    grey = astronaut.mean(axis=2)
    for eye in (left_eye, right_eye):
        x, y = eye.astype(int)
        assert grey[y - 4 : y + 5, x - 4 : x + 5].min() < 80, "a dark pupil where the eye should be"
        assert grey[y + 20, x] > 130, "cheek below the eye"
    x, y = ((left_mouth + right_mouth) / 2).astype(int)
    assert grey[y : y + 8, x].max() > 190, "teeth where the mouth should be"
    assert left_eye[0] < nose[0] < right_eye[0] and left_eye[1] < nose[1] < left_mouth[1]


@pytest.mark.parametrize("photo", ["coffee", "chelsea", "camera", "rocket", "coins"])
def test_detector_finds_nobody_elsewhere(face_app, photo):
    pixels = getattr(data, photo)()
    assert detect(face_app, pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=2)) == []


def test_detector_is_silent_on_blank_and_mirrored_pictures(face_app, astronaut):
    for level in (0, 128, 255):
        assert detect(face_app, np.full((512, 512, 3), level, np.uint8)) == []
    assert detect(face_app, astronaut[:, ::-1]) == []


@pytest.mark.parametrize("crop", [np.s_[:, :], np.s_[0:256, 100:356]], ids=["whole photo", "head"])
def test_detector_finds_two_side_by_side(face_app, astronaut, crop):
    picture = astronaut[crop]
    faces = detect(face_app, np.hstack([picture, picture]))
    assert len(faces) == 2
    left, right = sorted(faces, key=lambda face: face.bbox[0])
    np.testing.assert_allclose(right.bbox - left.bbox, [picture.shape[1], 0] * 2, atol=1)


@pytest.mark.parametrize("shift", [(3, 5), (8, 8), (11, 2)])
def test_detector_follows_a_shift(face_app, astronaut, shift):
    (face,) = detect(face_app, np.roll(astronaut, shift[::-1], axis=(0, 1)))
    np.testing.assert_allclose(face.bbox - HER_FACE, np.tile(shift, 2), atol=8)


def test_detector_finds_her_at_half_size(face_app, astronaut):
    canvas = np.zeros_like(astronaut)
    canvas[128:384, 128:384] = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    (face,) = detect(face_app, canvas)
    np.testing.assert_allclose(face.bbox, np.array(HER_FACE) / 2 + 128, atol=7)


def test_recogniser_tells_crops_apart(face_app, astronaut):
    bgr = np.ascontiguousarray(astronaut[:, :, ::-1])
    face = face_app.get(bgr)[0]
    recogniser = face_app.models["recognition"]
    same, other = norm_crop(bgr, face.kps), norm_crop(data.chelsea()[:, :, ::-1], face.kps)
    assert face.embedding.shape == (512,)
    assert recogniser.compute_sim(face.embedding, recogniser.get_feat(same)) > 0.999
    assert recogniser.compute_sim(face.embedding, recogniser.get_feat(other)) < 0.5


def test_changed_sources_get_a_folder_of_their_own(tmp_path, monkeypatch):
    sources = tmp_path / "sources"
    sources.mkdir()
    monkeypatch.setattr(standins, "CACHE", tmp_path / "standins")
    monkeypatch.setattr(standins, "FOLDER", sources)
    (sources / "standins.py").write_text("first")
    first = standins.open_folder()
    kept = first / standins.CLIP_VISION
    kept.touch()
    assert standins.open_folder() == first and kept.exists()
    (sources / "standins_shapes.py").write_text("second")
    second = standins.open_folder()
    assert [*second.parent.iterdir()] == [second], "the files of the first sources are gone"
    assert {folder.name for folder in second.iterdir()} == {"checkpoints", "clip_vision", "consistentid", "insightface"}


def test_a_folder_is_completed_for_one_base_model(tmp_path, monkeypatch):
    monkeypatch.setattr(standins, "CACHE", tmp_path)
    monkeypatch.setattr(standins, "_list_writers", lambda comfyui: {n: Path.touch for n in list_writers(comfyui)})
    folder = standins.prepare(tmp_path, "sdxl")
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("standin_*")}
    assert made == {
        "checkpoints/standin_sdxl.safetensors",
        "clip_vision/standin_clip_vit_h.safetensors",
        "consistentid/standin_consistentid_sdxl.bin",
        "consistentid/standin_face_parsing.pth",
        "insightface/models/standin_buffalo_l",
    }


def test_fill_is_seeded_by_the_key():
    assert torch.equal(standins_files.fill("a.weight", (4, 8)), standins_files.fill("a.weight", (4, 8)))
    assert not torch.equal(standins_files.fill("a.weight", (4, 8)), standins_files.fill("b.weight", (4, 8)))
    values = standins_files.fill("a.weight", (256, 64, 3, 3), torch.float32)
    assert values.std().item() == pytest.approx(1 / 24, rel=0.02)
    assert standins_files.fill("norm.weight", (512,)).mean().item() == pytest.approx(1, abs=0.03)


def published_shapes(base):
    """{part: {key: shape}} of the released adapter."""
    layout = json.loads((GOLDEN / "checkpoint_layout.json").read_text(encoding="utf-8"))[base]
    return {name: {k: tuple(s) for k, s in part["keys"].items()} for name, part in layout["parts"].items()}


@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_adapter_has_the_published_container(tmp_path, base):
    path, width = tmp_path / "adapter.bin", WIDTH[base]
    {"sd15": standins.write_adapter_sd15, "sdxl": standins.write_adapter_sdxl}[base](path, rank=4)
    parts, published = torch.load(path, weights_only=True), published_shapes(base)
    assert list(parts) == list(published)
    assert all(t.dtype == torch.float16 for part in parts.values() for t in part.values())
    shapes = {name: {k: tuple(t.shape) for k, t in part.items()} for name, part in parts.items()}
    narrow = shapes.pop("adapter_modules")
    assert narrow.keys() == published.pop("adapter_modules").keys()
    assert set(narrow.values()) <= {(4, 320), (320, 4), (4, width), (320, width)}
    assert shapes == published
    assert standins.load_core()("adapter.checkpoint").load_adapter(path).config.name == base
    path.unlink()


@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_real_adapter_widths_give_the_published_shapes(base):
    shapes = standins_shapes.adapter_module_shapes(standins_shapes.REAL_WIDTHS[base], WIDTH[base], rank=128)
    assert shapes == published_shapes(base)["adapter_modules"]


def test_open_clip_text_has_the_real_parameter_count():
    shapes = standins_shapes.open_clip_text_shapes()
    assert len(shapes) == 390
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 694_659_841


def test_clip_vision_has_the_real_parameter_count():
    shapes = standins_shapes.clip_vision_shapes()
    assert len(shapes) == 520
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 632_076_800


@pytest.fixture(scope="module")
def face_parser_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("parser") / "face_parsing.pth"
    standins.write_face_parser(path)
    return path


def test_face_parser_loads_strictly(face_parser_file):
    weights = torch.load(face_parser_file, weights_only=True)
    assert len(weights) == 191
    network = standins.load_core()("face.parsing").BiSeNet()
    network.load_state_dict(weights)
    assert all(torch.isfinite(t).all() for t in weights.values())


@pytest.mark.parametrize(("square", "side_px"), VIEWS, ids=["head 512", "head 1280", "whole photo 512"])
def test_face_parser_finds_every_region_of_the_astronaut(face_parser_file, astronaut, square, side_px):
    core = standins.load_core()
    parser = core("face.parsing").load_face_parser(face_parser_file)
    x0, y0, x1, y1 = square
    labels = parser.parse(astronaut[y0:y1, x0:x1], side_px)
    assert set(core("face.regions").select_regions(labels)) == {"Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip"}
    drawn = np.array(draw_labels().resize(labels.shape, Image.Resampling.NEAREST, square))
    found = [
        ((labels == label) & (drawn == label)).sum() / ((labels == label) | (drawn == label)).sum()
        for label in (1, 4, 5, 10, 12)
    ]
    # Random features know little of eyes that are 130 pixels wide.
    assert min(found) > (0.02 if side_px == 1280 else 0.25), found
    assert (labels == drawn).mean() > (0.6 if side_px == 1280 else 0.8)


def test_streamed_safetensors_reads_back(tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "small.safetensors"
    shapes = {"a.weight": (3, 5), "b": (7,), "scalar": ()}
    standins_files.write_safetensors(path, shapes, {"scalar": 0.5})
    loaded = load_file(path)
    assert {key: tuple(t.shape) for key, t in loaded.items()} == shapes
    assert loaded.pop("scalar") == 0.5
    assert all(torch.equal(tensor, standins_files.fill(key, shapes[key])) for key, tensor in loaded.items())


def test_a_failed_write_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), standins_files.replacing(tmp_path / "model.bin") as part:
        part.write_bytes(b"half")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


SAMPLE = """
import sys
sys.path.insert(0, sys.argv[1])
path = sys.argv[2]
sys.argv = ["test", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import torch, comfy.sd, comfy.sample
with torch.inference_mode():
    model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(path)
    text = clip.encode_from_tokens_scheduled(clip.tokenize("a portrait"))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    latent = comfy.sample.sample(model, noise, 2, 5.0, "euler", "normal", text, text, torch.zeros_like(noise), seed=0)
    picture = vae.decode(latent)
print(type(model.model.model_config).__name__, tuple(picture.shape), bool(picture.isfinite().all()), picture.std() > 0)
"""


@pytest.mark.host
@pytest.mark.slow
@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_checkpoint_samples(comfyui, base):
    """ComfyUI detects the base model, misses no key of any part, and makes a picture without NaN."""
    folder, name = standins.open_folder(), standins.CHECKPOINT[base]
    standins.write_missing(folder, [name], comfyui)
    command = [sys.executable, "-c", SAMPLE, str(comfyui), str(folder / name)]
    run = subprocess.run(command, cwd=comfyui, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "missing" not in run.stdout + run.stderr
    assert run.stdout.split("\n")[-2] == f"{base.upper()} (1, 64, 64, 3) True tensor(True)"
