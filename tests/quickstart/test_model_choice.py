"""Which file each loader gets, for both base models."""

import pytest

from quickstart import model_choice
from quickstart.failure import Failure

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


def test_what_is_missing_is_none(choose):
    chosen = choose("sdxl", {"ConsistentID_LoadAdapter": ADAPTERS})
    assert [loader for loader, name in chosen.items() if name] == ["ConsistentID_LoadAdapter"]
