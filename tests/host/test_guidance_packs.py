"""Beside packs that guide by perturbed attention (PAG, SEG, TPG, NAG, PLADIS): the person is drawn as by plain code."""

import pytest
import torch

pytestmark = pytest.mark.host

NAME = "sd-perturbed-attention"
# Module, node and settings; and whether it may come before a person, too. NAG wraps what it finds; PLADIS drops it,
# which is refused.
GUIDES = {
    "PAG": ("pag_nodes", "PerturbedAttention", {"scale": 3.0, "unet_block_list": "d1,m0,u1"}, True),
    "SEG": ("pag_nodes", "SmoothedEnergyGuidanceAdvanced", {"scale": 3.0, "unet_block_list": "d1,m0,u1"}, True),
    "TPG": ("tpg_nodes", "TokenPerturbationGuidance", {"unet_block_list": "d1,u1"}, True),
    "NAG": ("nag_nodes", "NormalizedAttentionGuidance", {}, False),
    "PLADIS": ("pladis_nodes", "Pladis", {}, False),
}


@pytest.fixture(params=GUIDES)
def guide(request, run, comfyui, neighbours, portrait):
    """A function that puts a guidance into a MODEL, its name, and whether either order is the same."""
    import comfy.model_management

    module, node, settings, either = GUIDES[request.param]
    kind = getattr(neighbours.import_neighbour(comfyui, NAME, module), node)
    if request.param == "NAG":
        settings = {"negative": [[run.tell(-1, 5), {}]]}

    def put(model):
        comfy.model_management.unload_all_models()  # some of these read weights, or what stands in the loaded model
        return kind().patch(model, **settings)[0]

    return put, request.param, either


def test_a_person_with_guidance(host, portrait, run, guide):
    put, name, either = guide
    conditions = portrait.make_conditions()

    def draw(model):
        return run.sample(model, conditions)

    plain, alone, guided = draw(portrait.model), draw(portrait.apply()), draw(put(portrait.model))
    both = {"after": draw(portrait.apply(put(portrait.model)))}
    if name == "PLADIS":
        with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"15 of 16 layers.*pladis"):
            draw(put(portrait.apply()))
    else:
        both["before"] = draw(put(portrait.apply()))
        expected = run.sample(put(portrait.apply_plainly()), portrait.make_plain_conditions())
        assert run.differ(both["before"], expected) < 1e-3
    if either:
        assert torch.equal(both["before"], both["after"])
    for drawn in both.values():
        for other in (plain, alone, guided, draw(put(portrait.apply(None, 0.0)))):
            assert run.differ(drawn, other) > 0.05
    assert torch.equal(draw(portrait.model), plain) and torch.equal(draw(portrait.apply()), alone)
