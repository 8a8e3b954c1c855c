"""Beside packs that guide by perturbed attention (PAG, SEG, TPG, NAG, PLADIS): the person is drawn as by plain code."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytestmark = pytest.mark.host

NAME = "sd-perturbed-attention"
# Module, node and settings; and whether it may come before a person, too. NAG wraps what it finds; PLADIS drops it.
GUIDES = {
    "PAG": ("pag_nodes", "PerturbedAttention", {"scale": 3.0, "unet_block_list": "d1,m0,u1"}, True),
    "SEG": ("pag_nodes", "SmoothedEnergyGuidanceAdvanced", {"scale": 3.0, "unet_block_list": "d1,m0,u1"}, True),
    "TPG": ("tpg_nodes", "TokenPerturbationGuidance", {"unet_block_list": "d1,u1"}, True),
    "NAG": ("nag_nodes", "NormalizedAttentionGuidance", {}, False),
    "PLADIS": ("pladis_nodes", "Pladis", {}, False),
}


def find_pack(comfyui: Path) -> Path:
    for folder in (os.environ.get("PAG_PATH"), comfyui / "custom_nodes" / NAME, Path.home() / "comfy/packs" / NAME):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip(f"no {NAME} in custom_nodes, nor in PAG_PATH")


@pytest.fixture(params=GUIDES)
def guide(request, host, run, comfyui, portrait):
    """A function that puts a guidance into a MODEL, its name, and whether either order is the same."""
    import comfy.model_management

    sys.modules.setdefault("neighbour_guidance", ModuleType("neighbour_guidance"))
    sys.modules["neighbour_guidance"].__path__ = [str(find_pack(comfyui))]
    module, node, settings, either = GUIDES[request.param]
    kind = getattr(importlib.import_module(f"neighbour_guidance.{module}"), node)
    if request.param == "NAG":
        settings = {"negative": [[run.tell(-1, 5), {}]]}

    def put(model):
        comfy.model_management.unload_all_models()  # some of these read weights, or what stands in the loaded model
        return kind().patch(model, **settings)[0]

    return put, request.param, either


def test_a_person_with_guidance(portrait, run, guide):
    put, name, either = guide
    conditions = portrait.make_conditions()

    def draw(model):
        return run.sample(model, conditions)

    plain, alone, guided = draw(portrait.model), draw(portrait.apply()), draw(put(portrait.model))
    both = {"after": draw(portrait.apply(put(portrait.model)))}
    if name != "PLADIS":
        both["before"] = draw(put(portrait.apply()))
        expected = run.sample(put(portrait.apply_plainly()), portrait.make_plain_conditions())
        assert run.differ(both["before"], expected) < 1e-3
    if either:
        assert torch.equal(both["before"], both["after"])
    for drawn in both.values():
        for other in (plain, alone, guided, draw(put(portrait.apply(None, 0.0)))):
            assert run.differ(drawn, other) > 0.05
    assert torch.equal(draw(portrait.model), plain) and torch.equal(draw(portrait.apply()), alone)
