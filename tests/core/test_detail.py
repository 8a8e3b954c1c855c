"""Cutting a head out of a picture, and putting it back."""

import pytest
import torch

from consistentid.errors import ConsistentIDError
from consistentid.face.detail import Placement, crop_head, mask_head, paste_head, place_head

HER_BOX = (178, 62, 272, 180)


@pytest.fixture
def picture(astronaut):
    return torch.from_numpy(astronaut).float() / 255


def test_square_around_the_head(picture):
    x0, y0, x1, y1 = place_head(picture, HER_BOX, 0.4).box
    assert x1 - x0 == y1 - y0 == round(118 * 1.8)
    assert (x0 + x1) / 2 == pytest.approx((178 + 272) / 2, abs=1)
    assert y0 <= 62 - 0.4 * 94 and y1 >= 180


@pytest.mark.parametrize("box", [(-20, -10, 60, 90), (450, 460, 530, 540), (0, 0, 512, 512), (100, -50, 400, 600)])
def test_square_stays_in_the_picture(picture, box):
    x0, y0, x1, y1 = place_head(picture, box).box
    assert 0 <= x0 < x1 <= 512 and 0 <= y0 < y1 <= 512 and x1 - x0 == y1 - y0


def test_a_strip_gives_its_whole_width(picture):
    x0, _, x1, _ = place_head(picture[:, 200:260], (0, 60, 60, 180)).box
    assert (x0, x1) == (0, 60)


def test_crop_has_the_asked_side_and_shows_the_face(picture):
    placement = place_head(picture, HER_BOX)
    crop = crop_head(placement, 512)
    assert crop.shape == (512, 512, 3)
    x0, y0, x1, y1 = placement.box
    small = crop_head(placement, 64)
    expected = picture[y0:y1, x0:x1].mean(dim=(0, 1))
    assert torch.allclose(small.mean(dim=(0, 1)), expected, atol=0.01)
    with pytest.raises(ConsistentIDError, match="multiple of 8"):
        crop_head(placement, 500)


def test_unchanged_crop_at_the_boxs_own_size_changes_nothing(picture):
    placement = Placement(picture, (160, 40, 288, 168))
    pasted = paste_head(picture, crop_head(placement, 128), placement)
    assert torch.allclose(pasted, picture, atol=1e-5)


def test_pasting_fades_at_the_edges_and_leaves_the_rest(picture):
    placement = Placement(picture, (160, 40, 288, 168))
    before = picture.clone()
    pasted = paste_head(picture, torch.ones(64, 64, 3), placement, feather=0.25)
    assert torch.equal(picture, before)
    outside = torch.ones(512, 512, dtype=torch.bool)
    outside[40:168, 160:288] = False
    assert torch.equal(pasted[outside], picture[outside])
    assert torch.allclose(pasted[100:110, 220:230], torch.ones(10, 10, 3), atol=1e-6)
    change = ((pasted - picture) / (1 - picture).clamp_min(1e-3))[104, 160:192, 0]
    assert (change.diff() > -1e-4).all() and change[0] < 0.01 and change[-1] > 0.99


def test_no_fading_at_the_border_of_the_picture(picture):
    pasted = paste_head(picture, torch.ones(64, 64, 3), Placement(picture, (0, 0, 128, 128)))
    assert torch.allclose(pasted[:60, :60], torch.ones(60, 60, 3))
    assert not torch.allclose(pasted[:60, 120:128], torch.ones(60, 8, 3), atol=0.3)


def test_hard_edges(picture):
    pasted = paste_head(picture, torch.ones(64, 64, 3), Placement(picture, (100, 100, 200, 200)), feather=0)
    assert torch.allclose(pasted[100:200, 100:200], torch.ones(100, 100, 3), atol=1e-6)


def test_nothing_to_paste(picture):
    placement = Placement(picture, None)
    assert crop_head(placement, 256).shape == (256, 256, 3)
    assert torch.equal(paste_head(picture, torch.ones(256, 256, 3), placement), picture)


def test_mask_around_the_head(picture):
    mask = mask_head(picture, HER_BOX, 2.0, 0.3)
    assert mask.shape == (512, 512) and mask.min() == 0 and mask.max() == 1
    assert mask[121, 225] == 1 and mask[121, 225 + 100] == 0 and mask[121 + 125, 225] == 0
    radii = mask[121, 225 : 225 + 95]
    assert (radii.diff() <= 0).all() and 0 < radii[80] < 1
    hard = mask_head(picture, HER_BOX, 2.0, 0.0)
    assert float(hard.sum()) == pytest.approx(3.14159 * 94 * 118, rel=0.01)


def test_mask_of_a_head_beyond_the_border(picture):
    mask = mask_head(picture, (-40, -40, 40, 40))
    assert mask[0, 0] == 1 and mask[200, 200] == 0
