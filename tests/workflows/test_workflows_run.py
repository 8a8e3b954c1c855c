"""Every workflow runs over HTTP, small, in a folder of its own. Of those for photos all models are stand-ins."""

import json
import re
import urllib.error
import urllib.request
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_files import write_models, write_pictures, write_shallow_vision
from run_server import Server, set_inputs

from consistentid.__main__ import main
from consistentid.model_files.manifest import read_manifest
from quickstart import model_choice, portrait_run
from quickstart.comfyui_server import running_server
from scripts.workflows.files import NAMES, ROOT, read_blueprint_twin, read_twin, strip

pytestmark = [pytest.mark.server, pytest.mark.slow]

SHOWING = ("SaveImage", "PreviewImage", "PreviewAny", "MaskPreview", "ConsistentID_SaveIdentity")
# In an order in which neighbours share a person: ComfyUI keeps what the last run computed, and CLIP takes its time.
RUNS = ("portrait_sdxl", "inpaint_controlnet_sdxl", "portrait_sd15", "portrait_simple_sd15")
RUNS += ("face2diffusion_with_consistentid_sd15", "face2diffusion_sd15", "caption_llava_sd15", "controlnet_sd15")
RUNS += ("face_detail_sd15", "inpaint_sd15")
RUNS += ("likeness_sd15", "lora_style_sd15", "upscale_sd15", "guidance_sd15", "few_steps_sd15", "merge_models_sd15")
RUNS += ("mix_sd15", "two_people_sd15", "people_from_picture_sd15", "weight_over_time_sd15", "regional_sd15")
RUNS += ("identity_card_sd15", "several_photos_sd15")
RUNS += ("inpaint_controlnet_sd15", "without_insightface_sd15")
RUNS += ("small_portrait_zoo", "small_attention_zoo", "small_change_zoo", "small_mix_zoo", "small_two_people_zoo")
SIZES = {"upscale_sd15": (96, 144), "face_detail_sd15": (512, 512), "inpaint_sd15": (128, 192)}
SIZES |= {"people_from_picture_sd15": (320, 160)}
SIZES |= {"inpaint_controlnet_sd15": (128, 192), "inpaint_controlnet_sdxl": (128, 192)}
# The node that makes the workflow what it is, and a setting of it that must give another picture.
SWITCHES = {
    "caption_llava_sd15": ("ConsistentID_DescribeFace", {"text": "green eyes and a small nose"}),
    "controlnet_sd15": ("ControlNetApplyAdvanced", {"strength": 0.0}),
    "face2diffusion_sd15": ("ConsistentID_NamePerson", {"prompt": "(f l:0.5) eating bread"}),
    "few_steps_sd15": ("LoraLoaderModelOnly", {"strength_model": 0.0}),
    "guidance_sd15": ("PerturbedAttentionGuidance", {"scale": 0.0}),
    "inpaint_controlnet_sd15": ("ControlNetApplyAdvanced", {"strength": 0.0}),
    "inpaint_controlnet_sdxl": ("ControlNetApplyAdvanced", {"strength": 0.0}),
    "lora_style_sd15": ("LoraLoader", {"strength_model": 0.0, "strength_clip": 0.0}),
    "merge_models_sd15": ("ModelMergeSimple", {"ratio": 0.0}),  # one checkpoint twice: only the LoRA of A goes
    "mix_sd15": ("ConsistentID_MixIdentities", {"amount": 0.0}),
    "people_from_picture_sd15": ("ConsistentID_AddPerson", {"weight": 0.0}),
    "regional_sd15": ("ConsistentID_HookIdentity", {"weight": 0.0}),
    "small_change_zoo": ("ConsistentID_ChangeAttributes", {"age": ""}),
    "small_mix_zoo": ("ConsistentID_MixIdentities", {"amount": 0.0}),
    "small_two_people_zoo": ("ConsistentID_AddPerson", {"weight": 0.0}),
    "several_photos_sd15": ("ConsistentID_CombineIdentities", {"weights": "1, 0"}),
    "two_people_sd15": ("ConsistentID_AddPerson", {"weight": 0.0}),
    "upscale_sd15": ("LatentUpscaleBy", {"upscale_method": "nearest-exact"}),
    "without_insightface_sd15": ("ConsistentID_ParseFace", {"brows": False}),
    "weight_over_time_sd15": ("ConsistentID_ScheduleWeight", {"start": 0.0, "easing": "constant"}),
}
KNOWN_BY = {"CLIPVisionLoader": "clip_vision", "ConsistentID_LoadFaceParser": "face_parser"}
KNOWN_BY |= {"ConsistentID_LoadFaceAnalysis": "face_analysis", "ConsistentID_LoadAdapter": "adapter_sd15"}
NO_IDENTITY = ("ConsistentID_ApplyAdapter", {"weight": 0.0})


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "stand_ins"))
        import standins
        from standins_files import write_safetensors

        models = standins.open_folder()
        files = {base: standins.write_for_workflows(models, base, comfyui) for base in ("sd15", "sdxl")} | {"zoo": {}}
        write_pictures(folder / "input")
        checkpoints = {base: models / standins.CHECKPOINT[base] for base in ("sd15", "sdxl")}
        write_models(folder / "models", checkpoints, write_safetensors)
        packs = [write_shallow_vision(folder)]
        with running_server(comfyui, [models], True, folder, packs) as address:
            yield Server(address, folder, files, models)
    assert not answers(address)


def test_every_workflow_is_run():
    assert sorted(RUNS) == NAMES


@pytest.mark.parametrize("name", RUNS)
def test_the_twin_runs_on_a_server(name, server):
    twin = shrink(read_twin(name), server.standins[name.rsplit("_", 1)[1]])
    outputs, (saved, *_) = server.run(twin)
    check_outputs({id: outputs[id] for id, node in twin.items() if node["class_type"] in SHOWING}, server.folder)
    picture = Image.open(saved)
    assert picture.size == SIZES.get(name, (64, 96))
    assert strip(json.loads(picture.info["prompt"])) == twin
    pixels = np.asarray(picture).astype(int)
    assert pixels.std() > 10, "neither black nor grey: no NaN on the way"
    if name == "likeness_sd15":
        assert "index 3" in read_text(twin, outputs), "four portraits are scored"
    if name == "face_detail_sd15":
        check_head(np.asarray(Image.open(server.folder / "input" / "picture.png")).astype(int), pixels)
    kind, values = SWITCHES.get(name, NO_IDENTITY)
    set_inputs(twin, kind, **values)
    _, (other, *_) = server.run(twin)
    assert np.abs(np.asarray(Image.open(other)).astype(int) - pixels).max() > 2, f"{kind} does nothing"


def test_a_checkpoint_brings_the_files_it_needs(server):
    """Under the names that the manifest knows; the head on the picture changes, and nothing else of it."""
    twin = read_blueprint_twin("head_swap")
    name_standins(server)
    set_inputs(twin, "ConsistentID_LoadModels", checkpoint=server.standins["sd15"]["CheckpointLoaderSimple"][1])
    set_inputs(twin, "KSampler", steps=2)
    set_inputs(twin, "ConsistentID_CropHead", side_px=256)
    _, (saved,) = server.run(twin)
    picture = Image.open(server.folder / "input" / "picture.png")
    check_head(np.asarray(picture).astype(int), np.asarray(Image.open(saved)).astype(int))


def name_standins(server) -> None:
    """Links to the stand-ins by the names of the files they stand for."""
    for kind, id in KNOWN_BY.items():
        model = read_manifest()[id]
        link = server.folder / "models" / model.folder / model.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(server.models / model.folder / server.standins["sd15"][kind][1])


def test_a_saved_identity_comes_back(server):
    """What several_photos saves, identity_card draws."""
    twin = shrink(read_twin("several_photos_sd15"), server.standins["sd15"])
    set_inputs(twin, "ConsistentID_SaveIdentity", name="two photos")
    outputs, _ = server.run(twin)
    assert "Saved two photos.safetensors" in [text for output in outputs.values() for text in output.get("text", [])]
    card = shrink(read_twin("identity_card_sd15"), server.standins["sd15"])
    set_inputs(card, "ConsistentID_LoadIdentity", name="two photos.safetensors")
    outputs, _ = server.run(card)
    assert "Photos: 2" in read_text(card, outputs), "the third photo shows nobody"


def test_a_plan_is_evaluated_through_the_server(server, tmp_path, capsys):
    """`evaluate run` draws with any workflow; a photo without a face is one failure, a faulty workflow ends all."""
    write_pictures(tmp_path)
    twin = shrink(read_twin("portrait_sd15"), server.standins["sd15"])
    (tmp_path / "workflow.json").write_text(json.dumps(twin))
    (tmp_path / "plan.csv").write_text("photo,prompt\nphoto.png,a red hat\nphoto.png,a blue coat\nphoto_3.png,a hat\n")
    words = ["evaluate", "run", str(tmp_path / "plan.csv"), str(tmp_path / "run"), "--address", server.address]
    words += ["--photo-input", "LoadImage.image", "--prompt-input", "11.prompt", "--output-node", "SaveImage"]
    words += ["--seed-input", "ConsistentID_Sampler.seed", "--workflow"]
    assert main([*words, str(tmp_path / "workflow.json")]) == 1
    first, second, third = json.loads((tmp_path / "run" / "report.json").read_text())["cases"]
    assert "ConsistentID_DetectFace" in third["error"] and "No face found" in third["error"]
    assert "seconds" not in first["scores"] and 0 < second["scores"]["seconds"] < 60
    pixels = [np.asarray(Image.open(tmp_path / "run" / "pictures" / row["picture"])) for row in (first, second)]
    assert pixels[0].shape == (96, 64, 3) and np.abs(pixels[0].astype(int) - pixels[1]).max() > 2
    set_inputs(twin, "ConsistentID_ApplyAdapter", weight="strong")
    (tmp_path / "faulty.json").write_text(json.dumps(twin))
    words[3] = str(tmp_path / "faulty")
    assert main([*words, str(tmp_path / "faulty.json")]) == 1
    assert re.search(r"refused the workflow(.|\n)*ConsistentID_ApplyAdapter \(12\)", capsys.readouterr().err)


@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_the_quick_start_draws_from_a_photo(base, server, monkeypatch):
    monkeypatch.setattr(portrait_run, "HOST_FOLDER", server.folder)
    chosen = {slot: server.standins[base][slot.loader][1] for slot in model_choice.SLOTS[base]}
    choices = {"negative": None, "seed": 7, "steps": 2, "width": 64, "height": 96}
    args = Namespace(base=base, photo=None, prompt="a photo of a woman", **choices)
    stages, ((_, path),) = portrait_run._draw_photo(server.address, args, chosen)
    assert stages[0][0] == "Photo" and np.asarray(stages[0][1]).shape == (512, 512, 3) and len(stages) > 2
    picture = Image.open(path)
    assert picture.size == (64, 96) and np.asarray(picture).std() > 10
    nodes = {node["class_type"]: node["inputs"] for node in json.loads(picture.text["prompt"]).values()}
    run = nodes["ConsistentID_Sampler"]
    assert (run["seed"], run["steps"], run["start_merge_step"]) == (7, 2, 1)
    assert nodes["ConsistentID_InjectTokens"]["prompt"] == "a photo of a woman"
    assert nodes["ConsistentID_LoadAdapter"]["adapter_name"] == server.standins[base]["ConsistentID_LoadAdapter"][1]


def shrink(twin: dict, standins: dict) -> dict:
    """The twin with stand-ins, two steps and small pictures, in place."""
    for kind, (field, file) in standins.items():
        set_inputs(twin, kind, **{field: file})
    set_inputs(twin, "EmptyLatentImage", width=64, height=96)
    set_inputs(twin, "ConsistentID_CropHead", side_px=256)
    set_inputs(twin, "ConsistentID_DescribeFace", max_new_tokens=16)
    for kind in ("ConsistentID_Sampler", "KSampler", "BasicScheduler"):
        set_inputs(twin, kind, steps=2)
    for node in twin.values():
        if node["class_type"] == "ImageScale":
            node["inputs"] |= {"width": 64, "height": 96} if node["inputs"]["height"] else {"width": 320}
    set_inputs(twin, "ConsistentID_Preset", preset="likeness")  # the merge point of balanced is past two steps
    for node in twin.values():
        if node["inputs"].get("start_merge_step", 0) > 0:
            node["inputs"]["start_merge_step"] = 0
    return twin


def read_text(twin: dict, outputs: dict) -> str:
    """What the workflow's one text preview shows."""
    (text,) = [outputs[id]["text"][0] for id, node in twin.items() if node["class_type"] == "PreviewAny"]
    return text


def check_head(before: np.ndarray, after: np.ndarray) -> None:
    """The astronaut's face is new, and what is far from it is as before."""
    change = np.abs(after - before).max(axis=2)
    assert change[62:180, 178:272].mean() > 5
    assert change[300:].max() <= 1 and change[:, :80].max() <= 1


def check_outputs(outputs: dict, folder: Path) -> None:
    """Every text says something and every picture is there."""
    for id, output in outputs.items():
        assert output.get("text") or output.get("images"), f"node {id} shows nothing"
        assert all(str(text).strip() for text in output.get("text", []))
        for image in output.get("images", []):
            with Image.open(folder / image["type"] / image["subfolder"] / image["filename"]) as picture:
                assert min(picture.size) >= 32


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/system_stats", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
