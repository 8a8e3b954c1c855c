"""The MODEL patch: what it adds, what it leaves alone, and how it lives beside others."""

import copy
import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.host

SIGMAS = torch.tensor([8.0, 3.0, 1.0, 0.0])


@pytest.fixture
def id_tokens():
    return torch.randn(2, 4, 768, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def person(host, tiny, id_tokens):
    """A HostedAdapter for the tiny UNet and an identity."""
    return tiny.make_adapter(host, id_tokens)


@pytest.fixture
def apply(host):
    return host.nodes.model.patching.apply_adapter


def sample(model, cfg=5.0, callback=None):
    import comfy.sample
    import comfy.samplers

    generator = torch.Generator().manual_seed(0)
    noise, positive, negative = (
        torch.randn(*shape, generator=generator) for shape in ((1, 4, 16, 16), (1, 77, 768), (1, 77, 768))
    )
    return comfy.sample.sample_custom(
        model,
        noise,
        cfg,
        comfy.samplers.sampler_object("euler"),
        SIGMAS,
        [[positive, {}]],
        [[negative, {}]],
        torch.zeros_like(noise),
        callback=callback,
        disable_pbar=True,
    )


def test_model_is_left_as_it_was(tiny, person, apply):
    model = tiny.make_model()
    weights = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    options = copy.deepcopy(model.model_options)
    plain = sample(model)
    patched = apply(model, *person)
    assert not torch.equal(sample(patched), plain)
    assert torch.equal(sample(model), plain)
    assert model.model_options == options
    assert not model.patches and not model.wrappers.get("outer_sample")
    model.unpatch_model()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in model.model.state_dict().items())


def test_same_result_every_time_and_after_changes(tiny, person, apply):
    fresh = sample(apply(tiny.make_model(), *person))
    model = tiny.make_model()
    patched = apply(model, *person)
    assert torch.equal(sample(patched), fresh)
    assert torch.equal(sample(patched), fresh)
    weaker = sample(apply(model, *person, 0.4, 0.7))
    assert not torch.equal(weaker, fresh)
    assert torch.equal(sample(apply(model, *person)), fresh)
    assert torch.equal(weaker, sample(apply(tiny.make_model(), *person, 0.4, 0.7)))


def test_zero_weights_are_the_plain_model(tiny, person, apply):
    model = tiny.make_model()
    assert torch.equal(sample(apply(model, *person, 0.0, 0.0)), sample(model))


def test_interrupted_run_leaves_no_trace(tiny, person, apply):
    import comfy.model_management

    def interrupt(step, denoised, x, total):
        raise comfy.model_management.InterruptProcessingException()

    model = tiny.make_model()
    patched = apply(model, *person)
    expected = sample(apply(tiny.make_model(), *person))
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sample(patched, callback=interrupt)
    assert torch.equal(sample(patched), expected)
    assert torch.equal(sample(model), sample(tiny.make_model()))


def test_keys_and_values_are_computed_once_and_not_while_sampling(tiny, person, apply):
    hosted, identity = person
    calls = []
    for layer in hosted.adapter.id_layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    patched = apply(tiny.make_model(), hosted, identity)
    assert len(calls) == 16
    sample(patched)
    assert len(calls) == 16


class Products(TorchDispatchMode):
    """Counts the matrix products of what runs in it, those of attention among them."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.count += name.endswith(("mm", "linear", "matmul")) or "dot_product_attention" in name
        return function(*args, **(kwargs or {}))


def count_work(model) -> tuple[int, int]:
    """UNet calls and matrix products of a run, the merging of weights left out."""
    calls = []
    sample(model)
    handle = model.model.diffusion_model.register_forward_hook(lambda *_: calls.append(1))
    with Products() as products:
        sample(model)
    handle.remove()
    return len(calls), products.count


def test_a_run_costs_one_fused_attention_a_layer(tiny, person, apply):
    """Counted, as it is too little to be timed: no further UNet call, no projection, no low-rank product."""
    calls, products = count_work(tiny.make_model())
    assert calls == len(SIGMAS) - 1 and products > 100 * calls
    assert count_work(apply(tiny.make_model(), *person)) == (calls, products + 16 * calls)


def test_low_rank_weights_are_merged(tiny, person, apply, host):
    hosted, identity = person
    model = tiny.make_model()
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    patched = apply(model, hosted, identity, 1.0, 0.5)
    patched.patch_model()
    after = patched.model.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert len(changed) == 16 * 2 * 4
    (site, attention, projection), lora = next(iter(hosted.adapter.loras.items()))
    key = f"diffusion_model.{site.comfy}.{attention}.{projection}.weight"
    assert torch.allclose(after[key], before[key] + 0.5 * lora.up @ lora.down, atol=1e-6)
    patched.unpatch_model()


def test_weights_of_the_patch_are_owned_by_the_host(tiny, person, apply):
    import comfy.model_management

    patched = apply(tiny.make_model(), *person)
    owners = {id(owner): owner for owner in patched.model_patches_models()}
    assert len(owners) == 1
    owner = next(iter(owners.values()))
    widths = [32] * 2 + [64] * 2 + [128] * 2 + [128] * 3 + [64] * 3 + [32] * 3 + [128]
    assert owner.model_size() == sum(2 * 2 * 4 * width * 4 for width in widths)
    sample(patched)
    loaded = [entry.model for entry in comfy.model_management.current_loaded_models]
    assert any(model is owner for model in loaded)


@pytest.fixture
def count_merges(monkeypatch):
    """How many weights the host merges when it loads a MODEL."""
    import comfy.lora
    from comfy.model_management import load_models_gpu

    keys, calculate = [], comfy.lora.calculate_weight

    def calculate_and_note(patches, weight, key, *args, **kwargs):
        keys.append(key)
        return calculate(patches, weight, key, *args, **kwargs)

    monkeypatch.setattr(comfy.lora, "calculate_weight", calculate_and_note)

    def count(model):
        keys.clear()
        load_models_gpu([model])
        return len(keys)

    return count


def test_weights_are_merged_only_where_they_change(tiny, person, apply, count_merges):
    """Not for another weight, person, schedule or mask, nor when two MODELs with different people take turns."""
    model, (hosted, identity) = tiny.make_model(), person
    other = dataclasses.replace(identity)
    hosted._id_tokens[other] = hosted._id_tokens[identity]
    first = apply(model, hosted, identity, 1.0, 0.8)
    assert count_merges(first) == len(hosted.adapter.loras)
    second = apply(model, hosted, other, 0.5, 0.8)
    assert [count_merges(one) for one in (first, second, first)] == [0, 0, 0]
    on_top = apply(second, hosted, identity, 0.3, 0.8)
    assert count_merges(on_top) == 0
    assert count_merges(apply(model, hosted, identity, 1.0, 0.6)) == len(hosted.adapter.loras)


def test_each_weight_is_merged_once_for_a_whole_stack(tiny, person, apply, count_merges):
    """A LoRA before the adapter and one after; one after or before it that is changed is heeded."""
    from comfy.weight_adapter import LoRAAdapter

    key = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    patches = {key: LoRAAdapter(set(), (torch.ones(32, 4), torch.ones(4, 32), *[None] * 4))}

    def stack(before, weight=1.0, after=0.5):
        model = base.clone()
        model.add_patches(patches, before)
        model = apply(model, *person, weight)
        model.add_patches(patches, after)
        return model

    def read(model):
        merges = count_merges(model)
        return merges, model.model.state_dict()[key].clone()

    base, sites = tiny.make_model(), len(person[0].adapter.loras)
    once, twice = read(stack(0.5)), read(stack(1.0))
    assert once[0] == twice[0] == sites
    assert torch.allclose(twice[1] - once[1], torch.full((32, 32), 4 * 0.5), atol=1e-5)


def test_low_vram_gives_the_same_picture(tiny, person, apply, monkeypatch):
    expected = sample(apply(tiny.make_model(), *person))
    patched = apply(tiny.make_model(), *person)
    load = patched.load

    def load_partially(device, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
        return load(device, lowvram_model_memory=1000, force_patch_weights=force_patch_weights, full_load=False)

    monkeypatch.setattr(patched, "load", load_partially)
    result = sample(patched)
    assert patched.model.model_lowvram
    assert torch.allclose(result, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(tiny, person, apply, dtype):
    model = tiny.make_model()
    model.model.diffusion_model.to(dtype)
    model.model.diffusion_model.dtype = dtype
    model.model.model_config.set_inference_dtype(dtype, torch.float32)
    model.model.manual_cast_dtype = None
    patched = apply(model, *person)
    patch = patched.model_options["transformer_options"]["patches_replace"]["attn2"][("input", 1)]
    assert patch.key_value.pair.dtype == dtype


def block_patch(log):
    from comfy.ldm.modules.attention import optimized_attention

    def patch(q, k, v, extra_options):
        log.append(extra_options["block"])
        return 0.5 * optimized_attention(q, k, v, extra_options["n_heads"])

    return patch


@pytest.mark.parametrize("depth", [None, 0], ids=["block", "transformer block"])
def test_a_patch_that_was_there_before_still_runs(tiny, person, apply, depth):
    log = []
    model = tiny.make_model()
    model.set_model_attn2_replace(block_patch(log), "input", 1, depth)
    alone = sample(model)
    assert log
    log.clear()
    both = sample(apply(model, *person))
    assert log
    assert not torch.equal(both, sample(apply(tiny.make_model(), *person)))
    assert not torch.equal(both, alone)
    assert torch.equal(sample(model), alone)


def test_a_patch_added_later_stays_on_its_clone(tiny, person, apply):
    """IPAdapter_plus and InstantID call `add` on the patch they find, in place."""
    patched = apply(tiny.make_model(), *person)
    expected = sample(patched)
    clone = patched.clone()
    added = clone.model_options["transformer_options"]["patches_replace"]["attn2"][("input", 1)]

    def shift(out, q, k, v, extra_options, sigma_start, sigma_end, amount):
        return torch.full_like(out, amount)

    added.add(shift, sigma_start=999999999.9, sigma_end=0.0, amount=0.5)
    assert not torch.equal(sample(clone), expected)
    assert torch.equal(sample(patched), expected)
    added.added[:] = [(shift, {"sigma_start": 0.5, "sigma_end": 0.0, "amount": 0.5})]
    assert torch.equal(sample(clone), expected)


def test_order_with_another_lora_does_not_matter(tiny, person, apply):
    from comfy.weight_adapter import LoRAAdapter

    generator = torch.Generator().manual_seed(9)
    key = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    other = {
        key: LoRAAdapter(
            set(), (torch.randn(32, 4, generator=generator), torch.randn(4, 32, generator=generator), *[None] * 4)
        )
    }
    before = tiny.make_model()
    before.add_patches(other, 0.8)
    before = apply(before, *person)
    after = apply(tiny.make_model(), *person)
    after.add_patches(other, 0.8)
    merged = []
    for model in (before, after):
        model.patch_model()
        merged.append(model.model.state_dict()[key].clone())
        model.unpatch_model()
    assert torch.allclose(*merged, atol=1e-5)


def test_batch_and_unbatched_conditions_agree(tiny, person, apply, monkeypatch):
    """Conditional and unconditional parts get their own ID tokens whether the host batches them or not."""
    model = apply(tiny.make_model(), *person)
    together = sample(model)
    monkeypatch.setattr(model.model, "memory_required", lambda *_, **__: 1e30)
    assert torch.allclose(together, sample(model), atol=1e-3)


def test_identity_without_embedding_uses_zeros(host, adapter, make_identity):
    known, unknown = make_identity(), make_identity(id_embedding=None)
    assert torch.isfinite(torch.stack(adapter.project_identity(unknown))).all()
    assert not torch.equal(adapter.project_identity(known)[0], adapter.project_identity(unknown)[0])
    assert torch.equal(adapter.project_identity(known)[1], adapter.project_identity(unknown)[1])


@pytest.mark.parametrize(
    ("unet_config", "message"),
    [
        ({"context_dim": 2048, "adm_in_channels": 2816}, "MODEL is of SDXL"),
        ({"context_dim": 1024, "adm_in_channels": None}, "type SimpleNamespace"),
        ({"context_dim": 1280, "adm_in_channels": 2560}, "type SimpleNamespace"),
        ({"image_model": "flux"}, "type SimpleNamespace"),
    ],
    ids=["sdxl", "sd2", "refiner", "flux"],
)
def test_other_base_models_are_refused(host, person, apply, unet_config, message):
    from types import SimpleNamespace

    model = SimpleNamespace(model=SimpleNamespace(model_config=SimpleNamespace(unet_config=unet_config)))
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=message) as error:
        apply(model, *person)
    assert "Supported base models: SD1.5, SDXL" in str(error.value)


def test_an_adapter_with_other_regions_is_for_the_same_model(host, tiny, person, apply):
    hosted, identity = person
    config = dataclasses.replace(hosted.config, regions=("face", "hair"))
    knowing = dataclasses.replace(hosted, adapter=dataclasses.replace(hosted.adapter, config=config))
    apply(tiny.make_model(), knowing, identity)


def test_a_unet_of_other_widths_is_refused(host, tiny, adapter, make_identity, apply):
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match="does not fit this MODEL"):
        apply(tiny.make_model(), adapter, make_identity())


@pytest.mark.parametrize("conditional", [(0, 1), (1, 1, 0, 0), (1,), (0, 0, 1), (0, 1, 0, 1, 0, 1)])
def test_every_row_of_a_batch_gets_its_keys(host, conditional):
    cond, uncond = torch.full((1, 4, 8), 1.0), torch.full((1, 4, 8), -1.0)
    keys = torch.cat([cond, uncond])
    key_value = host.nodes.model.attention.IDKeyValue(keys, keys * 10, torch.float32)
    key, value = key_value.select(tuple(map(bool, conditional)), torch.zeros(len(conditional), 5, 8))
    expected = [1.0 if row else -1.0 for row in conditional]
    assert key[:, 0, 0].tolist() == expected
    assert (value[:, 0, 0] / 10).tolist() == expected
    assert key.shape == value.shape == (len(conditional), 4, 8)


@pytest.mark.parametrize("guider", ["cfg", "dual", "dual nested", "perp_neg"])
def test_only_positive_conditions_get_the_person(host, tiny, person, apply, monkeypatch, guider):
    """Guiders number their conditions in different ways; the negative is never drawn towards the person."""
    from comfy_extras import nodes_custom_sampler, nodes_perpneg

    seen = set()
    select = host.nodes.model.attention.IDKeyValue.select

    def spy(self, conditional, query):
        seen.update(zip(contexts[-1], conditional, strict=True))
        return select(self, conditional, query)

    values = {"positive": 1.0, "middle": 2.0, "negative": -1.0, "empty": -2.0}
    contexts = []
    model = apply(tiny.make_model(), *person)

    def record(apply_model, arguments):
        count = len(arguments["cond_or_uncond"])
        contexts.append([float(row[0, 0]) for row in arguments["c"]["c_crossattn"].view(count, -1, 77, 768)[:, 0]])
        return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

    model.set_model_unet_function_wrapper(record)
    monkeypatch.setattr(host.nodes.model.attention.IDKeyValue, "select", spy)
    conds = {name: [[torch.full((1, 77, 768), value), {}]] for name, value in values.items()}
    if guider == "cfg":
        made = nodes_custom_sampler.comfy.samplers.CFGGuider(model)
        made.set_conds(conds["positive"], conds["negative"])
        made.set_cfg(5.0)
    elif guider.startswith("dual"):
        made = nodes_custom_sampler.Guider_DualCFG(model)
        made.set_conds(conds["positive"], conds["middle"], conds["negative"])
        made.set_cfg(5.0, 3.0, **({"nested": True} if guider == "dual nested" else {}))
    else:
        made = nodes_perpneg.Guider_PerpNeg(model)
        made.set_conds(conds["positive"], conds["negative"], conds["empty"])
        made.set_cfg(5.0, 1.0)
    noise = torch.zeros(1, 4, 16, 16)
    made.sample(noise, noise, nodes_custom_sampler.comfy.samplers.sampler_object("euler"), SIGMAS, disable_pbar=True)
    assert {value for value, _ in seen} >= {values["positive"], values["negative"]}
    assert all(conditional == (value > 0) for value, conditional in seen)


@pytest.mark.parametrize("name", ["SD20", "SDXLRefiner", "SSD1B", "Segmind_Vega", "KOALA_700M", "SD3", "Flux"])
@pytest.mark.parametrize("lora_weight", [1.0, 0.0])
def test_real_configurations_of_other_models_are_refused(host, person, apply, name, lora_weight):
    from types import SimpleNamespace

    import comfy.supported_models

    kind = getattr(comfy.supported_models, name)
    config = kind(dict(kind.unet_config))
    inner = SimpleNamespace(model_config=config, state_dict=dict)
    model = SimpleNamespace(model=inner, clone=lambda: model)
    with pytest.raises(host.consistentid.errors.IncompatibleModelError):
        apply(model, *person, 1.0, lora_weight)


def test_float32_attention_where_the_host_wants_it(host, monkeypatch):
    patching = host.nodes.model.attention
    seen = []

    def spy(attended, query, id_kv, heads, scale):
        seen.append((query.dtype, id_kv[0].dtype))
        return attended

    monkeypatch.setattr(patching, "add_id_attention", spy)
    key_value = patching.IDKeyValue(torch.zeros(2, 4, 16), torch.zeros(2, 4, 16), torch.float16)
    patch = patching.IDAttentionPatch(key_value, None, 1.0, lambda q, k, v, options: q)
    query = torch.zeros(2, 5, 16, dtype=torch.float16)
    for precision in (None, torch.float32):
        options = {"n_heads": 2, "cond_or_uncond": [1, 0], "attn_precision": precision}
        assert patch(query, query, query, options).dtype == torch.float16
    assert seen == [(torch.float16,) * 2, (torch.float32,) * 2]


def test_a_saved_model_gets_its_low_rank_weights_once(host, tiny, person, apply, tmp_path):
    """By ComfyUI's own saving, which knows no place for a mark that a loader would keep."""
    import comfy.sd
    import comfy.utils

    error = host.consistentid.errors.IncompatibleModelError
    comfy.sd.save_checkpoint(str(tmp_path / "merged.safetensors"), apply(tiny.make_model(), *person))
    saved = comfy.utils.load_torch_file(str(tmp_path / "merged.safetensors"))
    start = "model.diffusion_model."
    weights = {key.removeprefix(start): value for key, value in saved.items() if key.startswith(start)}
    model = tiny.make_model()
    model.model.diffusion_model.load_state_dict(weights)
    with pytest.raises(error, match=r"saved with the low-rank weights .*Set lora_weight to 0"):
        apply(model, *person)
    once, twice = sample(apply(model, *person, 1.0, 0.0)), sample(apply(tiny.make_model(), *person))
    assert (once - twice).abs().max() < 0.05 * twice.abs().max()
