"""Beside other identity packs, with their own code (see neighbours.py)."""

import subprocess
from types import SimpleNamespace

import pytest
import torch

pytestmark = pytest.mark.host


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_layers(name: str, context: int) -> dict[str, torch.Tensor]:
    """Key and value projections of each cross-attention of a tiny UNet, under the names of IP-Adapter files."""
    import full_size

    return {
        f"{2 * number + 1}.{kind}.weight": randn(width // 10, context, seed=number) * 0.05
        for number, width in enumerate(full_size.WIDTHS[name])
        for kind in ("to_k_ip", "to_v_ip")
    }


def put_ipadapter(module, name, model, mask, weight=1.5):
    width = {"sd15": 768, "sdxl": 2048}[name]
    projection = {
        "proj.weight": randn(4 * width, 1024) * 0.03,
        "proj.bias": torch.zeros(4 * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }
    weights = {"image_proj": projection, "ip_adapter": make_layers(name, width)}
    embeds = {"pos_embed": randn(1, 1, 1024), "neg_embed": torch.zeros(1, 1, 1024)}
    node = module.IPAdapterEmbeds()
    return node.apply_ipadapter(
        model, weights, weight=weight, weight_type="linear", start_at=0.0, end_at=0.9, attn_mask=mask, **embeds
    )[0]


def make_instantid(module, name):
    """The pack's network, and a stand-in for face analysis."""
    torch.manual_seed(0)
    resampler = module.Resampler(dim=32, heads=20, depth=4, num_queries=16, embedding_dim=512, output_dim=2048)
    weights = {"image_proj": resampler.state_dict(), "ip_adapter": make_layers(name, 2048)}
    network = module.InstantID(weights, cross_attention_dim=32, output_cross_attention_dim=2048)
    points = torch.tensor([[20, 25], [44, 25], [32, 35], [24, 46], [40, 46]]).numpy()
    face = {"bbox": (0, 0, 9, 9), "embedding": randn(512).numpy(), "kps": points}
    return network, SimpleNamespace(det_model=SimpleNamespace(), get=lambda image: [face])


def put_instantid(module, name, model, mask):
    network, analysis = make_instantid(module, name)
    node = module.InstantIDAttentionPatch()
    return node.patch_attention(network, analysis, torch.zeros(1, 64, 64, 3), model, 1.5, 0.0, 1.0, mask=mask)[0]


NEIGHBOURS = {
    "IPAdapter_plus sd15": ("sd15", "ComfyUI_IPAdapter_plus", "IPAdapterPlus", put_ipadapter, False),
    "IPAdapter_plus sd15 masks": ("sd15", "ComfyUI_IPAdapter_plus", "IPAdapterPlus", put_ipadapter, True),
    "IPAdapter_plus sdxl masks": ("sdxl", "ComfyUI_IPAdapter_plus", "IPAdapterPlus", put_ipadapter, True),
    "InstantID sdxl masks": ("sdxl", "ComfyUI_InstantID", "InstantID", put_instantid, True),
}


@pytest.fixture(scope="module", params=NEIGHBOURS)
def neighbour(request, host, tiny, run, comfyui, neighbours):
    """A portrait, a function that puts the other pack's person into a MODEL, and whether to use masks."""
    name, pack, module, put, masked = NEIGHBOURS[request.param]
    loaded = neighbours.import_neighbour(comfyui, pack, module)
    return run.Portrait(host, tiny, name), lambda model, mask=None: put(loaded, name, model, mask), masked


def make_half(side: int) -> torch.Tensor:
    mask = torch.zeros(1, 128, 128)
    mask[:, :, side * 64 : side * 64 + 64] = 1
    return mask


def test_both_in_either_order(host, run, neighbour):
    portrait, put, masked = neighbour
    conditions = portrait.make_conditions()
    theirs = make_half(1) if masked else None
    people = host.nodes.people.list_people(portrait.identity, make_half(0) if masked else None)

    def sample(one):
        return run.sample(one, conditions, sigmas=run.SIGMAS[2:])

    def apply(model):
        return host.nodes.model.patching.apply_adapter(model, portrait.hosted, people)

    model = portrait.model
    plain = sample(model)
    ours, other = apply(model), put(model, theirs)
    alone = [sample(one) for one in (ours, other)]
    ours_first, ours_second = put(ours, theirs), apply(other)
    both = sample(ours_first)
    assert run.differ(sample(ours_second), both) < 1e-4
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, people)
    hooked = [[[text, {**values, "hooks": hooks}] for text, values in entries] for entries in conditions]
    assert run.differ(run.sample(other, hooked, sigmas=run.SIGMAS[2:]), both) < 1e-4
    for one in (plain, *alone):
        assert run.differ(both, one) > 1e-2
    # Nothing is left in the models that the two were made of.
    assert torch.equal(sample(ours), alone[0])
    assert torch.equal(sample(other), alone[1])
    assert torch.equal(sample(model), plain)


def test_at_one_layer_both_are_added(host, neighbour):
    """Attention with both, less attention to the text alone, is what each adds."""
    portrait, put, _ = neighbour
    model = portrait.model
    made = {
        "plain": portrait.apply(None, 1e-9),
        "ours": portrait.apply(),
        "other": put(model),
        "ours first": put(portrait.apply()),
        "ours second": portrait.apply(put(model)),
        "masked": put(portrait.apply(), make_half(1)),
    }
    site = ("input", 4) if portrait.width == 768 else ("input", 4, 0)
    width, heads = (64, 8) if portrait.width == 768 else (64, 4)
    query, key, value = randn(2, 64, width, seed=1), *(randn(2, 77, width, seed=seed) for seed in (2, 3))
    options = {
        "n_heads": heads,
        "cond_or_uncond": [1, 0],
        "block": site[:2],
        "block_index": 0,
        "transformer_index": 2,
        "original_shape": [2, 4, 16, 16],
        "activations_shape": [2, width, 8, 8],
        "sigmas": torch.ones(2),
    }
    outputs = {
        name: one.model_options["transformer_options"]["patches_replace"]["attn2"][site](query, key, value, options)
        for name, one in made.items()
    }
    plain = outputs["plain"]
    expected = outputs["ours"] + outputs["other"] - plain
    assert torch.allclose(outputs["ours first"], expected, atol=1e-5)
    assert torch.allclose(outputs["ours second"], expected, atol=1e-5)
    assert not torch.allclose(outputs["other"], plain, atol=1e-2)
    left, right = slice(0, 3), slice(5, 8)
    by_pixel = {name: output.unflatten(1, (8, 8)) for name, output in outputs.items()}
    assert torch.allclose(by_pixel["masked"][:, :, left], by_pixel["ours"][:, :, left], atol=1e-5)
    assert torch.allclose(by_pixel["masked"][:, :, right], by_pixel["ours first"][:, :, right], atol=1e-5)


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_what_another_node_adds_stays_in_its_branch(host, tiny, run, comfyui, neighbours, name):
    """Its weight is moved from run to run, and a branch without it goes on: from one MODEL that the host keeps."""
    module = neighbours.import_neighbour(comfyui, "ComfyUI_IPAdapter_plus", "IPAdapterPlus")
    portrait = run.Portrait(host, tiny, name)
    conditions, kept = portrait.make_conditions(), portrait.apply()

    def sample(model):
        return run.sample(model, conditions, sigmas=run.SIGMAS[2:])

    alone = sample(kept)
    for weight in (0.3, 0.5, 0.8):
        changed = put_ipadapter(module, name, kept, None, weight)
        expected = put_ipadapter(module, name, portrait.apply(tiny.make_model(name)), None, weight)
        assert torch.equal(sample(changed), sample(expected))
        assert torch.equal(sample(changed.clone()), sample(expected)), "a clone has what its origin has"
    again = put_ipadapter(module, name, changed, None, 0.8)
    assert not torch.equal(sample(again), sample(changed)), "added on purpose, it is there twice"
    assert torch.equal(sample(changed), sample(expected))
    assert torch.equal(sample(kept), alone)


def make_control_net():
    """A tiny ControlNet for the tiny SDXL UNet."""
    import comfy.cldm.cldm
    import comfy.controlnet
    import comfy.ops
    import full_size

    layout = full_size.make_layout("sdxl", torch.float32, model_channels=32, num_head_channels=16)
    for name in ("out_channels", "transformer_depth_output"):
        layout.pop(name)
    operations = comfy.ops.disable_weight_init
    network = comfy.cldm.cldm.ControlNet(**layout, hint_channels=3, operations=operations)
    full_size.fill(network)
    return comfy.controlnet.ControlNet(network.eval(), load_device=torch.device("cpu"))


def test_whole_instantid_with_its_control_net(host, tiny, run, comfyui, neighbours):
    """Its ControlNet gets its own tokens in place of the text; ours stay in the UNet, on both sides of the merge."""
    module = neighbours.import_neighbour(comfyui, "ComfyUI_InstantID", "InstantID")
    portrait, control_net = run.Portrait(host, tiny, "sdxl"), make_control_net()
    network, analysis = make_instantid(module, "sdxl")

    def put(model, conditions):
        image = torch.zeros(1, 64, 64, 3)
        given = (network, analysis, control_net, image, model, *conditions, 0.0, 1.0)
        model, *conditions = module.ApplyInstantID().apply_instantid(*given, ip_weight=1.5, cn_strength=0.8)
        return model, conditions

    def sample(model, conditions):
        return run.sample(model, conditions, sigmas=run.SIGMAS[1:])

    ours_first = sample(*put(portrait.apply(), portrait.make_conditions()))
    plain = portrait.make_plain_conditions()
    other, conditions = put(portrait.model, plain)
    assert run.differ(sample(portrait.apply(other), conditions), ours_first) < 1e-4
    assert run.differ(sample(other, conditions), ours_first) > 1e-2
    assert run.differ(sample(portrait.apply(other), plain), ours_first) > 1e-2, "without its ControlNet"


def test_packs_come_from_their_repository(tmp_path, monkeypatch, neighbours):
    """At the revision asked for, and once; what git says when they cannot."""
    origin = tmp_path / "cubiq" / "ComfyUI_Pack"
    origin.mkdir(parents=True)
    (origin / "__init__.py").write_text("first = 1")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(origin), *command], check=True)
    revision = subprocess.check_output(["git", "-C", str(origin), "rev-parse", "HEAD"], text=True).strip()
    for name, value in (("COUNT", "1"), ("KEY_0", f"url.{tmp_path}/.insteadOf"), ("VALUE_0", "https://github.com/")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    folder = neighbours.fetch_pack("cubiq/ComfyUI_Pack", revision, tmp_path / "cache")
    assert (folder / "__init__.py").read_text() == "first = 1"
    (folder / "__init__.py").write_text("kept")
    neighbours.fetch_pack.cache_clear()
    folder = neighbours.fetch_pack("cubiq/ComfyUI_Pack", revision, tmp_path / "cache")
    assert (folder / "__init__.py").read_text() == "kept"
    assert neighbours.fetch_pack("cubiq/ComfyUI_Missing", revision, tmp_path / "cache").startswith("git fetch: fatal:")
