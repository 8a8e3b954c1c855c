"""Where a person's words may act: attention to them is 0 outside the mask, exactly."""

import pytest
import torch

from consistentid.adapter.masks import AttentionMask, TokenMask, build_bias

PLACE = (0, None)
GRID = (4, 8)


def make_mask(columns: slice) -> AttentionMask:
    mask = torch.zeros(1, 32, 64)
    mask[:, :, columns.start * 8 : columns.stop * 8] = 1
    return AttentionMask(mask)


LEFT, RIGHT = make_mask(slice(0, 4)), make_mask(slice(4, 8))
HERS, HIS = torch.arange(3, 20), torch.tensor([1, 20, 21, 90, 150])


def attend(masks, length=154, dtype=torch.float32) -> torch.Tensor:
    """Attention weights [h, w, length] of random queries and keys."""
    bias = build_bias((masks,), (PLACE,), GRID, length, torch.device("cpu"), dtype)[0]
    scores = torch.randn(bias.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return (scores + bias).softmax(-1).unflatten(0, GRID)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_words_of_two_people_have_no_weight_in_the_others_mask(dtype):
    weights = attend((TokenMask(HERS, 154, LEFT), TokenMask(HIS, 154, RIGHT)), dtype=dtype)
    assert not weights[:, 4:, HERS].any() and not weights[:, :4, HIS].any()
    assert (weights[:, :4, HERS] > 0).all() and (weights[:, 4:, HIS] > 0).all()
    rest = [place for place in range(154) if place not in (*HERS, *HIS)]
    assert (weights[..., rest] > 0).all()


def test_inside_a_mask_nothing_changes():
    masked = attend((TokenMask(HERS, 154, LEFT),))
    assert torch.equal(masked[:, :4], attend(())[:, :4])


def test_a_text_that_is_repeated_has_the_words_in_each_copy():
    weights = attend((TokenMask(HERS, 77, LEFT),))
    assert not weights[:, 4:, [*HERS, *(HERS + 77)]].any()


def test_a_row_of_two_people_acts_where_both_are():
    """Where two text encoders differ in places, one row of the embedding holds words of both."""
    weights = attend((TokenMask(HERS, 154, LEFT), TokenMask(torch.tensor([19, 20]), 154, make_mask(slice(2, 8)))))
    assert not weights[:, :2, 19].any() and not weights[:, 4:, 19].any() and (weights[:, 2:4, 19] > 0).all()
    assert (weights[:, 2:, 20] > 0).all()
