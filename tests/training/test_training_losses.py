"""The losses: golden numbers of the authors' code, and what each of them is meant to do."""

import pytest
import torch
from golden_data import difference, make_input, read_case, read_tensors

from consistentid.adapter.attention_maps import attend_to_tokens, choose_sites
from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.sites import list_sites
from consistentid.training.losses import (
    balance,
    fit_masks,
    measure_layer_loss,
    measure_localisation_loss,
    measure_mass,
    measure_noise_loss,
)

# cases.json: float32 against float64 differ by 2e-9.
TOLERANCE = 2e-7
CASE = read_case("losses")
GOLDEN = read_tensors("losses.safetensors")
LAYERS = ("down_blocks.1", "mid_block", "up_blocks.1")


def read_inputs(kind: str):
    """Attention maps by layer, masks of a kind, indices of facial tokens and which of them are valid."""
    shapes = {name: [size for size in shape if isinstance(size, int)] for name, shape in CASE["inputs"].items()}
    index = torch.tensor(CASE["image_token_idx"])
    maps = {}
    for layer in LAYERS:
        scores = make_input(f"losses/attn/{layer}", shapes[f"losses/attn/{layer}"]).softmax(-1).unflatten(0, (2, 4))
        maps[layer] = scores.gather(3, index[:, None, None].expand(-1, 4, scores.shape[2], -1))
    if kind == "soft":
        masks = make_input("losses/segmaps_soft", shapes["losses/segmaps_soft"]).sigmoid()
    else:
        masks = (make_input("losses/segmaps", shapes["losses/segmaps"]) > 0.3).float()
    return maps, masks, torch.tensor(CASE["image_token_idx_mask"]).bool()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_golden_localisation(kind, normalize):
    maps, masks, valid = read_inputs(kind)
    losses = {layer: measure_layer_loss(maps[layer], masks, valid, normalize) for layer in LAYERS}
    for layer, loss in losses.items():
        golden = GOLDEN[f"localization_layer.normalize_{normalize}.{kind}.{layer}"]
        assert difference(loss[None], golden) < TOLERANCE
    total = torch.stack(list(losses.values())).mean()
    assert difference(total[None], GOLDEN[f"localization.normalize_{normalize}.{kind}"]) < TOLERANCE
    if normalize:
        assert torch.equal(measure_localisation_loss(maps, masks, valid), total)


def test_golden_localisation_without_a_token():
    maps, masks, valid = read_inputs("hard")
    golden = GOLDEN["localization.normalize_True.hard.no_valid_objects"]
    assert difference(measure_localisation_loss(maps, masks, valid & False)[None], golden) < TOLERANCE


def test_golden_balance():
    shape = (2, 4, 256, 5)
    maps, masks = make_input("losses/prob", shape).softmax(2), (make_input("losses/probseg", shape) > 0).float()
    for normalize in (True, False):
        golden = GOLDEN[f"balanced_l1.normalize_{normalize}"]
        assert difference(balance(maps, masks, normalize), golden) < TOLERANCE
    empty = GOLDEN["balanced_l1.normalize_True.empty_segmap"]
    assert difference(balance(maps, masks * 0), empty) < TOLERANCE


def test_localisation_pulls_attention_into_the_region():
    """A gradient step on scores moves attention inside; a padded token changes nothing."""
    scores = torch.randn(1, 2, 16, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, :2, :2] = 1
    valid = torch.tensor([[True, False]])

    def read_maps():
        return {"a": scores.softmax(-1)[..., [3, 5]]}

    loss = measure_localisation_loss(read_maps(), masks, valid)
    before = measure_mass(read_maps(), masks, valid)
    loss.backward()
    assert scores.grad[0, :, :, 3].abs().min() > 0
    with torch.no_grad():
        scores -= 100 * scores.grad
    assert measure_mass(read_maps(), masks, valid) > before + 0.1
    assert measure_localisation_loss(read_maps(), masks, valid) < loss
    other = masks.clone()
    other[0, 1] = 1
    assert measure_localisation_loss(read_maps(), other, valid) == measure_localisation_loss(read_maps(), masks, valid)


def test_mass_is_the_part_inside():
    maps = torch.zeros(1, 1, 16, 1)
    maps[0, 0, :4, 0] = torch.tensor([3.0, 0, 0, 1])
    masks = torch.zeros(1, 1, 4, 4)
    masks[0, 0, 0, 0] = 1
    assert measure_mass({"a": maps}, masks, torch.tensor([[True]])) == 0.75


def test_masks_fit_maps_of_other_sizes_and_shapes():
    masks = torch.zeros(1, 1, 8, 16)
    masks[..., :8] = 1
    assert torch.equal(fit_masks(masks, 32)[0, :, 0].view(4, 8).round(), torch.tensor([[1.0] * 4 + [0] * 4] * 4))
    assert fit_masks(masks, 512).shape == (1, 512, 1)


def test_the_noise_loss_sees_the_person_alone():
    prediction, target = torch.zeros(2, 4, 2, 2), torch.ones(2, 4, 2, 2)
    target[0, :, 0, 0] = 3
    mask = torch.ones(2, 1, 2, 2)
    assert measure_noise_loss(prediction, target, mask) == pytest.approx((4 * 9 + 4 * 7) / 32)
    mask[0, 0, 0, 0] = 0
    assert measure_noise_loss(prediction, target, mask) == pytest.approx(4 * 7 / 32)


def test_maps_are_the_columns_of_plain_attention():
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 9, 8, generator=generator), torch.randn(2, 5, 8, generator=generator)
    positions = torch.tensor([[1, 4], [0, 0]])
    maps = attend_to_tokens(query, key, 2, positions)
    for row in range(2):
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            plain = (query[row, :, part] @ key[row, :, part].T / 2).softmax(-1)
            assert difference(maps[row, head], plain[:, positions[row]]) < 1e-6


def test_the_middle_blocks():
    """For SD1.5 the five blocks of the released code; the others around the middle likewise."""

    def name(base, blocks):
        return list(dict.fromkeys(site.diffusers.split(".att")[0] for site in choose_sites(list_sites(base), blocks)))

    assert set(name(SD15, 5)) == {"down_blocks.1", "down_blocks.2", "mid_block", "up_blocks.1", "up_blocks.2"}
    assert name(SD15, 1) == ["mid_block"] and len(name(SD15, 99)) == 7
    assert set(name(SDXL, 3)) == {"down_blocks.2", "mid_block", "up_blocks.0"}
