"""Which file each loader gets, for both base models."""

import pytest

import model_choice
import standins
from quickstart_failure import Failure

ADAPTERS = ["ConsistentID-v1.bin", "ConsistentID_SDXL-v1.bin"]
INSTALLED = {
    "CheckpointLoaderSimple": [
        "other.safetensors",
        "RealVisXL_V4.0.safetensors",
        "sub/Realistic_Vision_V6.safetensors",
    ],
    "CLIPVisionLoader": ["clip_vision_g.safetensors", "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"],
    "ConsistentID_LoadAdapter": ADAPTERS,
    "ConsistentID_LoadFaceParser": ["face_parsing.pth"],
    "ConsistentID_LoadFaceAnalysis": ["buffalo_l"],
}


@pytest.fixture
def choose(monkeypatch):
    """Run choose_models on a server that has these files; gives {loader: name or None}."""

    def choose(base, installed=INSTALLED, checkpoint=None):
        monkeypatch.setattr(model_choice, "list_names", lambda address, slot: installed.get(slot.loader, []))
        chosen = model_choice.choose_models("", base, checkpoint)
        assert tuple(chosen) == model_choice.SLOTS[base]
        return {slot.loader: name for slot, name in chosen.items()}

    return choose


@pytest.fixture
def written(monkeypatch):
    """The stand-ins that would have been written."""
    written = []
    monkeypatch.setattr(standins, "write_missing", lambda folder, names, comfyui: written.extend(names))
    return written


@pytest.mark.parametrize(
    ("base", "checkpoint", "adapter"),
    [
        ("sd15", "sub/Realistic_Vision_V6.safetensors", "ConsistentID-v1.bin"),
        ("sdxl", "RealVisXL_V4.0.safetensors", "ConsistentID_SDXL-v1.bin"),
    ],
)
def test_the_known_files_of_the_base_model_are_taken(choose, base, checkpoint, adapter):
    chosen = choose(base)
    assert (chosen["CheckpointLoaderSimple"], chosen["ConsistentID_LoadAdapter"]) == (checkpoint, adapter)
    assert chosen["CLIPVisionLoader"] == "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"
    assert all(chosen.values())


def test_a_named_checkpoint_wins_and_must_exist(choose):
    assert choose("sdxl", checkpoint="other.safetensors")["CheckpointLoaderSimple"] == "other.safetensors"
    with pytest.raises(Failure, match=r"no checkpoint 'mine'\. It has: other"):
        choose("sdxl", checkpoint="mine")


def test_the_standin_checkpoint_gets_the_standin_adapter(choose):
    chosen = choose("sdxl", {"ConsistentID_LoadAdapter": ADAPTERS})
    assert not any(chosen.values())


@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_only_the_standins_of_the_base_model_are_written(tmp_path, written, base):
    chosen = dict.fromkeys(model_choice.SLOTS[base])
    names = model_choice.write_standins(tmp_path, base, chosen, None)
    assert sorted(names.values()) == sorted(name.split("/")[-1] for name in written)
    assert [name for name in written if "sd" in name] == [standins.CHECKPOINT[base], standins.ADAPTER[base]]


def test_a_real_checkpoint_gets_the_full_standin_adapter(tmp_path, written):
    slots = model_choice.SLOTS["sdxl"]
    chosen = {slot: "real" for slot in slots} | {slots.adapter: None}
    names = model_choice.write_standins(tmp_path, "sdxl", chosen, None)
    assert written == [standins.FULL_ADAPTER["sdxl"]]
    assert names[slots.adapter] == "standin_consistentid_sdxl_full.bin"
