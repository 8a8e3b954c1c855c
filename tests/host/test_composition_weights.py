"""Beside changes of the weights: LoRA, LoRA hooks and model merges; each expected weight is computed by hand."""

import pytest
import torch

pytestmark = pytest.mark.host

KEY = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
COMMUNITY_KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
STRENGTH = 0.6


@pytest.fixture(scope="module")
def community_lora(host):
    """The name of a file in models/loras that changes KEY, and its change at strength 1."""
    from pathlib import Path

    import comfy.utils
    import folder_paths

    generator = torch.Generator().manual_seed(9)
    up, down = torch.randn(32, 4, generator=generator), torch.randn(4, 32, generator=generator)
    folder = Path(folder_paths.get_folder_paths("loras")[0])
    folder.mkdir(parents=True, exist_ok=True)
    names = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(2.0)}
    tensors = {f"{COMMUNITY_KEY}.{name}": tensor for name, tensor in names.items()}
    comfy.utils.save_torch_file(tensors, str(folder / "community.safetensors"))
    return "community.safetensors", 2.0 / 4 * up @ down


def load_lora(model, name):
    import nodes

    return nodes.LoraLoaderModelOnly().load_lora_model_only(model, name, STRENGTH)[0]


def read_weights(model) -> dict[str, torch.Tensor]:
    """The weights that would be sampled with."""
    import comfy.model_management

    comfy.model_management.unload_all_models()
    model.patch_model()
    weights = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    model.unpatch_model()
    return weights


def list_own_changes(portrait) -> dict[str, torch.Tensor]:
    changes = {}
    for (site, attention, projection), lora in portrait.hosted.adapter.loras.items():
        name = "to_out.0" if projection == "to_out" else projection
        changes[f"diffusion_model.{site.comfy}.{attention}.{name}.weight"] = lora.up @ lora.down
    return changes


def assert_close(weights: dict, expected: dict) -> None:
    assert weights.keys() == expected.keys()
    far = [key for key in expected if not torch.allclose(weights[key], expected[key], atol=2e-5)]
    assert not far


def make_other_model(tiny):
    other = tiny.make_model()
    for tensor in other.model.diffusion_model.parameters():
        tensor.mul_(0.9).add_(0.01)
    return other


@pytest.mark.parametrize("order", ["before", "after"])
def test_community_lora(portrait, run, community_lora, order):
    name, change = community_lora
    plain = read_weights(portrait.model)
    if order == "before":
        both = portrait.apply(load_lora(portrait.model, name), 1.0, 0.8)
    else:
        both = load_lora(portrait.apply(None, 1.0, 0.8), name)
    own = list_own_changes(portrait)
    expected = {key: tensor + 0.8 * own.get(key, 0) for key, tensor in plain.items()}
    expected[KEY] = expected[KEY] + STRENGTH * change
    assert_close(read_weights(both), expected)
    assert all(torch.equal(tensor, plain[key]) for key, tensor in read_weights(portrait.model).items())


def test_community_lora_in_a_picture(portrait, run, community_lora):
    name, _ = community_lora
    conditions, plain = portrait.make_conditions(), portrait.make_plain_conditions()
    both = run.sample(portrait.apply(load_lora(portrait.model, name)), conditions)
    assert run.differ(both, run.sample(load_lora(portrait.apply(), name), conditions)) < 1e-4
    assert run.differ(both, run.sample(load_lora(portrait.apply_plainly(), name), plain)) < 1e-3
    assert run.differ(both, run.sample(portrait.apply(), conditions)) > 1e-3
    assert run.differ(both, run.sample(load_lora(portrait.model, name), plain)) > 1e-2


@pytest.mark.parametrize("where", ["everywhere", "facial"])
def test_lora_hook(portrait, run, community_lora, where, host, monkeypatch):
    """A hook on all conditions is the LoRA itself; one on a stage acts in that stage alone."""
    import comfy.hooks
    from comfy_extras.nodes_hooks import CreateHookLoraModelOnly

    name, _ = community_lora
    hooks = CreateHookLoraModelOnly().create_hook_model_only(name, STRENGTH)[0]

    def attach(conditions):
        positive, negative = conditions
        chosen = positive + negative if where == "everywhere" else positive[1:]
        for entry in chosen:
            comfy.hooks.set_hooks_for_conditioning([entry], hooks=hooks)
            entry[1]["hooks"] = hooks
        return conditions

    seen = run.watch(host, monkeypatch, portrait.model)
    both = run.sample(portrait.apply(), attach(portrait.make_conditions()))
    assert {text for text, _ in seen} == {1.0, 2.0, -1.0}
    assert all(drawn == (text > 0) for text, drawn in seen)
    plainly = run.sample(portrait.apply_plainly(), attach(portrait.make_plain_conditions()))
    assert run.differ(both, plainly) < 1e-3
    without = run.sample(portrait.apply(), portrait.make_conditions())
    static = run.sample(load_lora(portrait.apply(), name), portrait.make_conditions())
    assert run.differ(both, without) > 1e-3
    if where == "everywhere":
        assert run.differ(both, static) < 1e-3
    else:
        assert run.differ(both, static) > 1e-3
    conditions = portrait.make_plain_conditions()
    assert torch.equal(run.sample(portrait.model, conditions), run.sample(portrait.twin, conditions))


def test_apply_to_a_merge_of_plain_models(portrait, tiny, run):
    from comfy_extras.nodes_model_merging import ModelMergeSimple

    other = make_other_model(tiny)
    (merged,) = ModelMergeSimple().merge(portrait.model, other, 0.25)
    first, second, own = read_weights(portrait.model), read_weights(other), list_own_changes(portrait)
    expected = {
        key: 0.25 * first[key] + 0.75 * second[key] + own.get(key, 0)
        if key.startswith("diffusion_model.")
        else first[key]
        for key in first
    }
    assert_close(read_weights(portrait.apply(merged)), expected)
    (plain,) = ModelMergeSimple().merge(portrait.twin, other, 0.25)
    both = run.sample(portrait.apply(merged), portrait.make_conditions())
    assert run.differ(both, run.sample(portrait.apply_plainly(plain), portrait.make_plain_conditions())) < 1e-3


def test_apply_again_to_a_merge_by_blocks(portrait, tiny):
    """Each weight gets what it lacks: of the low-rank weights the merge has all in some blocks and none in others."""
    from comfy_extras.nodes_model_merging import ModelMergeBlocks

    other = make_other_model(tiny)
    (merged,) = ModelMergeBlocks().merge(portrait.apply(), other, input=1.0, middle=0.5, out=0.0)
    (plain,) = ModelMergeBlocks().merge(portrait.model, other, input=1.0, middle=0.5, out=0.0)
    own = list_own_changes(portrait)
    expected = {key: tensor + own.get(key, 0) for key, tensor in read_weights(plain).items()}
    assert_close(read_weights(portrait.apply(merged)), expected)


@pytest.mark.parametrize("place", ["first", "second"])
def test_merge_of_a_model_with_the_person(portrait, tiny, place, host, monkeypatch, run):
    """The merge takes its share of the low-rank weights; attention to ID tokens comes with the first model only."""
    from comfy_extras.nodes_model_merging import ModelMergeSimple

    other = make_other_model(tiny)
    pair = [portrait.apply(), other] if place == "first" else [other, portrait.apply()]
    (merged,) = ModelMergeSimple().merge(*pair, 0.25)
    applied, plain, own = read_weights(portrait.model), read_weights(other), list_own_changes(portrait)
    share, rest = (0.25, 0.75) if place == "first" else (0.75, 0.25)
    expected = {
        key: share * (applied[key] + own.get(key, 0)) + rest * plain[key]
        if key.startswith("diffusion_model.")
        else applied[key]
        for key in applied
    }
    assert_close(read_weights(merged), expected)
    completed = {key: tensor + (1 - share) * own[key] if key in own else tensor for key, tensor in expected.items()}
    assert_close(read_weights(portrait.apply(merged)), completed)
    seen = run.watch(host, monkeypatch, merged)
    run.sample(merged, portrait.make_plain_conditions())
    assert bool(seen) == (place == "first")
