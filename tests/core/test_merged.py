"""A base model that was saved with the low-rank weights in it is told from one that was not, by its weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from consistentid.adapter.attention import Lora
from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.merged import check_unmerged, measure_share
from consistentid.errors import IncompatibleModelError

ZOO = Path(__file__).resolve().parents[2] / "zoo" / "models"


@pytest.fixture(scope="module")
def pairs():
    """The weights of the small base model, and what its own trained adapter adds to them."""
    weights = load_file(ZOO / "base/unet/diffusion_pytorch_model.safetensors")
    loras = load_adapter(ZOO / "consistentid_zoo.safetensors").loras
    names = {
        place: f"{place[0].diffusers}.{place[1]}.{place[2]}{'.0' * (place[2] == 'to_out')}.weight" for place in loras
    }
    return [(weights[names[place]].float(), lora) for place, lora in loras.items()]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 2.0])
def test_share_of_a_trained_pair(pairs, share):
    merged = [(weight + share * (lora.up.float() @ lora.down.float()), lora) for weight, lora in pairs]
    for dtype in (torch.float32, torch.float16):
        found = measure_share([(weight.to(dtype), lora) for weight, lora in merged])
        assert found == pytest.approx(share, abs=0.05)
    if share == 1:
        with pytest.raises(IncompatibleModelError, match=r"was saved with the low-rank weights of x\.bin in it \(meas"):
            check_unmerged(found, "x.bin")
    if share == 0:
        check_unmerged(found, "x.bin")


def test_additions_of_nothing_and_by_chance():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(32, 32, generator=generator)
    nothing = Lora(up=torch.zeros(32, 4), down=torch.randn(4, 32, generator=generator))
    tiny = Lora(up=1e-4 * torch.randn(32, 4, generator=generator), down=torch.randn(4, 32, generator=generator))
    assert measure_share([]) == measure_share([(weight, nothing)]) == measure_share([(weight, tiny)]) == 0
