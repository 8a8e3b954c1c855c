"""Installing and removing the adapter: the UNet is as before, other LoRAs stay, and wrong models are refused."""

import copy
import dataclasses

import pytest
import torch
from golden_data import difference, make_weights
from headless_models import make_golden_adapter, make_unet

from consistentid.adapter.attention import Lora
from consistentid.errors import IncompatibleModelError
from consistentid.headless.unet import detect_base, install_adapter


def make_seeded(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


LATENTS, TEXT, ID_TOKENS = make_seeded(2, 4, 16, 16), make_seeded(2, 77, 768), make_seeded(2, 4, 768)


@pytest.fixture(scope="module")
def adapter():
    return make_golden_adapter("sd15")


@pytest.fixture
def unet():
    return make_unet("sd15")


def run(unet, id_tokens=None):
    kwargs = None if id_tokens is None else {"id_tokens": id_tokens}
    return unet(LATENTS, 501, TEXT, cross_attention_kwargs=kwargs).sample


def describe(unet):
    modules = {name: type(module) for name, module in unet.named_modules()}
    return modules, list(unet.state_dict()), dict(unet.attn_processors)


def test_removing_leaves_the_unet_as_found(unet, adapter):
    before, tree = run(unet), describe(unet)
    installed = install_adapter(unet, adapter)
    assert difference(run(unet, ID_TOKENS), before) > 0.01
    installed.remove()
    assert describe(unet) == tree
    assert torch.equal(run(unet), before)
    installed.remove()
    again = install_adapter(unet, adapter)
    assert not torch.equal(run(unet, ID_TOKENS), before)
    again.remove()
    assert torch.equal(run(unet), before)


def test_weights_can_be_changed_while_installed(unet, adapter):
    before = run(unet)
    installed = install_adapter(unet, adapter)
    full = run(unet, ID_TOKENS)
    installed.set_weights(0.0, 0.0)
    assert torch.equal(run(unet, ID_TOKENS), before)
    installed.set_weights(0.0, 1.0)
    without_identity = run(unet, ID_TOKENS)
    assert torch.equal(without_identity, run(unet)) and not torch.equal(without_identity, before)
    installed.set_weights(1.0, 1.0)
    assert torch.equal(run(unet, ID_TOKENS), full)


def test_the_processors_are_the_checkpoint(unet, adapter):
    """As trained or loaded, so written: keys, order and values of the file's adapter_modules."""
    weights = make_weights("unet_tiny_sd15.adapter")
    state = install_adapter(unet, adapter).processors.state_dict(prefix="adapter_modules.")
    assert state.keys() == weights.keys()
    assert all(torch.equal(state[key], weights[key]) for key in weights)


def test_every_part_can_be_trained():
    with torch.inference_mode(False):
        tokens, text, latents = ID_TOKENS.clone(), TEXT.clone(), LATENTS.clone()
        installed = install_adapter(make_unet("sd15"), make_golden_adapter("sd15"))
        installed.processors.requires_grad_(True)
        out = installed.unet(latents, 501, text, cross_attention_kwargs={"id_tokens": tokens}).sample
        out.square().mean().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in installed.processors.parameters())
        assert not any(p.grad is not None for n, p in installed.unet.named_parameters() if "processor" not in n)


def add_user_lora(unet):
    from peft import LoraConfig

    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    unet.add_adapter(LoraConfig(r=4, target_modules=targets, init_lora_weights=False), "user")


@pytest.mark.parametrize("lora_first", [True, False], ids=["user LoRA first", "adapter first"])
def test_user_loras_add_up_with_the_adapter(adapter, lora_first):
    """Both are additions to the same weights, so the order of loading does not matter, and removal keeps the LoRA."""
    pytest.importorskip("peft")
    unet = make_unet("sd15")
    torch.manual_seed(3)
    if lora_first:
        add_user_lora(unet)
    installed = install_adapter(unet, adapter)
    plain = None if lora_first else run(unet, ID_TOKENS)
    if not lora_first:
        add_user_lora(unet)
        assert difference(plain, run(unet, ID_TOKENS)) > 1e-3
    both = run(unet, ID_TOKENS)
    merged = make_unet("sd15")
    for name, layer in unet.named_modules():
        if hasattr(layer, "lora_A"):
            merged.get_submodule(name).weight += layer.get_delta_weight("user")
    install_adapter(merged, adapter)
    assert difference(both, run(merged, ID_TOKENS)) < 1e-4
    installed.remove()
    assert any(hasattr(layer, "lora_A") for layer in unet.modules())


def test_adapter_weights_follow_the_unet_and_the_adapter_keeps_its_own(adapter):
    unet = make_unet("sd15").to(torch.bfloat16)
    installed = install_adapter(unet, adapter)
    assert {p.dtype for p in installed.processors.parameters()} == {torch.bfloat16}
    assert {lora.up.dtype for lora in adapter.loras.values()} == {torch.float32}
    assert {p.dtype for p in adapter.id_layers.parameters()} == {torch.float32}


def test_wrong_models_are_refused(unet, adapter):
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

    assert detect_base(unet).name == "sd15"
    assert detect_base(torch.nn.Linear(1, 1)) is None
    before = describe(unet)
    with pytest.raises(IncompatibleModelError, match=r"golden is for SDXL, but this UNet is of SD1\.5"):
        install_adapter(unet, make_golden_adapter("sdxl"))
    key = next(iter(adapter.loras))
    wide = {**adapter.loras, key: Lora(torch.zeros(320, 16), torch.zeros(16, 320))}
    with pytest.raises(IncompatibleModelError, match=r"down_blocks\.0.*\[32, 32\].*\[320, 320\]"):
        install_adapter(unet, dataclasses.replace(adapter, loras=wide))
    assert describe(unet) == before
    other = IPAdapterAttnProcessor2_0(32, 768)
    unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.set_processor(other)
    with pytest.raises(IncompatibleModelError, match="IPAdapterAttnProcessor2_0"):
        install_adapter(unet, adapter)


def test_a_set_of_id_tokens_belongs_to_each_row(unet, adapter):
    install_adapter(unet, adapter)
    both = run(unet, ID_TOKENS)
    swapped = run(unet, ID_TOKENS.flip(0))
    alone = unet(LATENTS[:1], 501, TEXT[:1], cross_attention_kwargs={"id_tokens": ID_TOKENS[:1]}).sample
    assert difference(both[:1], alone) < 1e-5
    assert difference(both, swapped) > 1e-3
    with pytest.raises(IncompatibleModelError, match="1 sets of ID tokens for 2 rows"):
        run(unet, ID_TOKENS[:1])


def test_a_second_adapter_on_the_same_unet_is_refused(unet, adapter):
    install_adapter(unet, adapter)
    with pytest.raises(IncompatibleModelError, match="CrossProcessor, SelfProcessor"):
        install_adapter(unet, adapter)


def test_copies_of_a_unet_are_independent(unet, adapter):
    before = run(unet)
    twin = copy.deepcopy(unet)
    install_adapter(twin, adapter)
    assert torch.equal(run(unet), before)
