"""The command: photo in, picture and contact sheet out, and a PNG that repeats its run."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from headless_models import run_command
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from consistentid.adapter.config import SD15
from consistentid.errors import CheckpointError, ConsistentIDError
from consistentid.headless.clip_vision import ClipVision, load_clip_vision
from consistentid.headless.model_choice import find_files
from consistentid.headless.option_texts import parse_lora
from consistentid.headless.portrait import make_sampling
from consistentid.headless.portrait_settings import PortraitSettings, read_settings
from consistentid.identity.encode import encode_images
from consistentid.identity.file import save_identity


@pytest.fixture
def options(files):
    named = [word for name, path in files.items() for word in (f"--{name.replace('_', '-')}", path)]
    return [*named, "--prompt", "a photo of a woman", "--steps", 3, "--width", 64, "--height", 96]


def read_pixels(path):
    return np.asarray(Image.open(path))


def test_a_portrait_and_its_repetition(options, photo, tmp_path, capsys):
    """The PNG holds every choice, chance included: the same file gives the same bits, another seed does not."""
    first = tmp_path / "first.png"
    assert run_command("--face", photo, "--batch", 2, "--out", first, *options) == 0
    out = capsys.readouterr().out
    assert "Found face, eyes, ears, nose, mouth; with ID embedding." in out and "5 facial tokens" in out
    names = {"first.png", "first_2.png", "first_stages.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert read_pixels(first).shape == (96, 64, 3) and read_pixels(first).std() > 10
    assert not np.array_equal(read_pixels(first), read_pixels(tmp_path / "first_2.png"))
    assert Image.open(tmp_path / "first_stages.png").height > 800
    settings = json.loads(Image.open(first).text["consistentid"])["settings"]
    assert (settings["guidance"], settings["base"], settings["steps"]) == (5.0, "sd15", 3)
    assert "auto" not in (settings["device"], settings["dtype"])
    assert f"Seed: {settings['seed']}" in out
    run_command("--from-png", first, "--out", tmp_path / "again")
    for name in ("first.png", "first_2.png"):
        again = tmp_path / name.replace("first", "again")
        assert np.array_equal(read_pixels(tmp_path / name), read_pixels(again))
    run_command("--from-png", first, "--seed", settings["seed"] + 1, "--batch", 1, "--out", tmp_path / "other.png")
    assert not np.array_equal(read_pixels(first), read_pixels(tmp_path / "other.png"))


@pytest.fixture
def identity_file(make_identity, tmp_path):
    return save_identity(make_identity(), tmp_path / "person.safetensors")


def test_every_knob_of_the_adapter_changes_the_picture(options, identity_file, tmp_path):
    pictures = {}
    for knob in ((), ("--weight", 0), ("--lora-weight", 0.2), ("--merge-at", 0), ("--scheduler", "ddim")):
        words = ("--identity", identity_file, "--seed", 1, "--out", tmp_path / "x.png", "--overwrite")
        run_command(*words, *options, *knob)
        pictures[knob] = read_pixels(tmp_path / "x.png")
    usual = pictures.pop(())
    assert all(not np.array_equal(usual, picture) for picture in pictures.values())


def test_without_insightface(options, photo, tmp_path, capsys):
    run_command("--face", photo, "--no-id-embedding", "--out", tmp_path / "x.png", *options)
    assert "without ID embedding" in capsys.readouterr().out


def test_inpainting_keeps_what_is_not_masked(options, identity_file, tmp_path):
    picture = Image.effect_noise((64, 96), 60).convert("RGB").resize((64, 96))
    mask = Image.fromarray(np.repeat([[0] * 32 + [255] * 32], 96, axis=0).astype(np.uint8))
    for name, image in (("picture", picture), ("mask", mask)):
        image.save(tmp_path / f"{name}.png")
    words = ("--image", tmp_path / "picture.png", "--mask", tmp_path / "mask.png", "--seed", 1, "--overwrite")
    results = []
    for prompt in ("one face", "two eyes on a nose"):
        run_command("--identity", identity_file, "--out", tmp_path / "x.png", *options, *words, "--prompt", prompt)
        results.append(read_pixels(tmp_path / "x.png").astype(int))
    difference = np.abs(results[0] - results[1])
    assert difference[:, 48:].mean() > 4 * difference[:, :8].mean()


def test_guiding_pictures_are_read_as_photos_are(tmp_path):
    """Turned upright, and a mask of floats is no black one."""
    values, exif = np.arange(96 * 64, dtype=np.uint16).reshape(96, 64) * 10, Image.Exif()
    exif[0x0112] = 3
    for name in ("image", "control_image"):
        Image.fromarray(values).transpose(Image.Transpose.ROTATE_180).save(tmp_path / f"{name}.png", exif=exif)
    Image.fromarray(np.ones((96, 64), np.float32)).save(tmp_path / "mask.tif")
    names = {"image": "image.png", "mask": "mask.tif", "control_image": "control_image.png"}
    paths = {name: str(tmp_path / file) for name, file in names.items()}
    settings = PortraitSettings(identity="x", width=64, height=96, seed=1, **paths)
    sampling = make_sampling(settings)
    for picture in (sampling.image, sampling.control_image):
        assert np.array_equal(np.asarray(picture)[..., 0], (values / 257).round())
    assert sampling.mask.getextrema() == ((255, 255),) * 3
    with pytest.raises(ConsistentIDError, match=r"gone\.png cannot be read as a picture"):
        make_sampling(replace(settings, image=str(tmp_path / "gone.png")))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--face PHOTO and --identity"),
        (["--face", "a", "--identity", "b"], "Name one of"),
        (["--identity", "b", "--hair"], "a saved identity has its regions already"),
        (["--face", "a", "--image", "b"], "--image and --mask"),
        (["--face", "a", "--controlnet", "b"], "--control-image"),
        (["--face", "a", "--width", 100], "multiples of 8"),
        (["--face", "a", "--merge-at", 2], "merge-at is 2"),
        (["--face", "a", "--steps", 0], "at least 1"),
        (["--face", "a", "--change", "hat=red"], "'hat=red' is not a change"),
        (["--face", "a", "--word", "f l", "--prompt", "f l", "--no-consistentid", "--change", "age=old"], "leave out"),
    ],
)
def test_choices_that_cannot_go_together(words, message):
    with pytest.raises(ConsistentIDError, match=message):
        run_command(*words)


def test_a_png_of_somebody_else(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    with pytest.raises(ConsistentIDError, match="holds no settings"):
        run_command("--from-png", tmp_path / "x.png")


def test_settings_survive_the_png(options, identity_file, tmp_path, capsys):
    more = ["--negative", "blåbær", "--change", "age=old", "--change", "eyes=blue"]
    run_command("--identity", identity_file, "--out", tmp_path / "x.png", *more, *options)
    report = capsys.readouterr().out
    assert "a photo of an old woman with blue" in report and "old face <|facial|>" in report and "face (0)" in report
    settings = read_settings(tmp_path / "x.png")
    assert settings.change == ("age=old", "eyes=blue") and settings.prompt == "a photo of a woman"
    assert settings.negative == "blåbær" and settings.identity == str(identity_file) and settings.lora == ()
    assert None not in [getattr(settings, item.name) for item in fields(settings)]


def test_a_png_from_before_a_choice_was_there(tmp_path):
    record = json.loads(PortraitSettings(identity="x", steps=7).to_json())
    del record["settings"]["change"]
    text = PngInfo()
    text.add_itxt("consistentid", json.dumps(record))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=text)
    assert read_settings(tmp_path / "x.png") == PortraitSettings(identity="x", steps=7)


def test_lora_words():
    assert parse_lora("a=b.safetensors=0.5") == ("a=b.safetensors", 0.5)
    with pytest.raises(ConsistentIDError, match="WEIGHT"):
        parse_lora("style.safetensors=strong")


def test_files_come_from_the_models_folder_and_named_ones_win(tmp_path):
    for path in ("consistentid/ConsistentID-v1.bin", "consistentid/face_parsing.pth", "checkpoints/sd.safetensors"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    settings = PortraitSettings(identity="x", models_folder=str(tmp_path))
    with pytest.raises(CheckpointError, match=r"--checkpoint.*sd\.safetensors"):
        find_files(settings)
    (tmp_path / "checkpoints" / "Realistic_Vision_V6.safetensors").touch()
    found = find_files(settings)
    assert found.adapter == str(tmp_path / "consistentid" / "ConsistentID-v1.bin")
    assert found.checkpoint.endswith("Realistic_Vision_V6.safetensors") and not found.face_parser
    with pytest.raises(CheckpointError, match="CLIP"):
        find_files(PortraitSettings(face="x", models_folder=str(tmp_path)))
    named = PortraitSettings(identity="x", adapter="mine.bin", checkpoint="mine", models_folder="/nowhere")
    assert find_files(named) == named


def test_image_features_are_the_layer_before_the_last(files, photo):
    """Of a folder and of the one weights file in it alike."""
    from consistentid.face.photo import open_photo

    picture = open_photo(photo)
    folder, file = (
        load_clip_vision(path, SD15) for path in (files["clip_vision"], files["clip_vision"] / "model.safetensors")
    )
    caught = {}
    layers = next(module for name, module in folder.named_modules() if name.endswith("encoder.layers"))
    handle = layers[-2].register_forward_hook(lambda module, inputs, out: caught.setdefault("out", []).append(out))
    features, zero = encode_images(ClipVision(folder), [picture, picture[:, ::-1].copy()])
    handle.remove()
    outputs = [out[0] if isinstance(out, tuple) else out for out in caught["out"]]
    assert torch.equal(zero, outputs[0].view(257, 1280)) and torch.equal(features, outputs[1])
    assert features.shape == (2, 257, 1280) and not torch.allclose(features[0], features[1])
    assert torch.allclose(encode_images(ClipVision(file), [picture])[0], features[:1], atol=1e-4)


def test_another_encoder_is_refused(files):
    with pytest.raises(CheckpointError, match="is not a CLIP image encoder"):
        load_clip_vision(files["face_parser"], SD15)


def test_importing_the_engine_imports_no_diffusers(standins):
    """The command line starts without it; only a run needs it."""
    root = importlib.util.find_spec("consistentid.headless").submodule_search_locations[0] + "/../.."
    modules = "consistentid.headless.command, consistentid.headless.portrait"
    code = f"import sys; import {modules}; print('diffusers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert run.stdout.strip() == "False", run.stderr
