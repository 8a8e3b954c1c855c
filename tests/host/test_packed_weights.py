"""On models whose weights are packed: the person is drawn as with the same weights unpacked."""

import importlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

pytestmark = [pytest.mark.host, pytest.mark.slow]

PREFIX = "model.diffusion_model."
SIGMAS = torch.tensor([8.0, 0.7, 0.0])
# How far a picture may be from that of unpacked weights, with ID tokens alone and with the low-rank weights; how far
# what a layer gets of these. GGUF adds to unpacked weights; others pack the sum again. A person changes 0.4 to 1.2.
TOLERANCES = {
    "F16": (1e-3, 5e-3, 1e-3),
    "Q8_0": (3e-3, 5e-3, 1e-3),
    "Q4_0": (3e-3, 5e-3, 1e-3),
    "fp8": (1e-4, 0.2, 0.1),
    "scaled fp8": (0.02, 0.2, 0.1),
    "float8_e4m3fn": (1e-4, 0.2, 0.1),
    "int8_tensorwise": (0.03, 0.15, 0.06),
    "mxfp8": (1e-4, 0.2, 0.1),
    "nvfp4": (1e-4, 0.6, 0.4),
}
GGUF = ("F16", "Q8_0", "Q4_0")
LAYERS = ("float8_e4m3fn", "int8_tensorwise", "mxfp8", "nvfp4")


@pytest.fixture(scope="module")
def files(load_module):
    return load_module(Path(__file__).with_name("packed_files.py"))


@pytest.fixture(scope="module")
def weights(standins) -> dict[str, torch.Tensor]:
    """The UNet of the SD1.5 stand-in, in ComfyUI's names, float16."""
    tensors = load_file(standins / "checkpoints" / "standin_sd15.safetensors")
    return {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items() if key.startswith(PREFIX)}


@pytest.fixture(scope="module")
def load_gguf(comfyui, neighbours):
    """The loader node of ComfyUI-GGUF."""
    return neighbours.import_neighbour(comfyui, "ComfyUI-GGUF", "nodes").UnetLoaderGGUF().load_unet


@pytest.fixture(scope="module", params=TOLERANCES)
def packed(request, host, files, weights):
    """A MODEL of packed weights, one of the same weights unpacked (twin), the kind of packing, and its tolerances."""
    import comfy.sd
    import folder_paths

    kind, options = request.param, {}
    folder = Path(folder_paths.get_folder_paths("diffusion_models")[0])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"packed {kind}"
    if kind in GGUF:
        load_gguf = request.getfixturevalue("load_gguf")
        unpacked = files.write_gguf(path, weights, kind)
        (model,) = load_gguf(path.name)
    else:
        if kind in LAYERS:
            require_format(kind)
            unpacked = files.write_layers(path, weights, kind)
        elif kind == "fp8":
            options = {"dtype": files.FP8}  # as the node chooses, which on a CPU is not the file's own
            unpacked = files.write_fp8(path, weights)
        else:
            unpacked = files.write_scaled_fp8(path, weights)
        model = comfy.sd.load_diffusion_model(str(path.rename(path.with_suffix(".safetensors"))), options)
    twin = comfy.sd.load_diffusion_model_state_dict(unpacked)
    yield SimpleNamespace(model=model, twin=twin, kind=kind, tolerances=TOLERANCES[kind])
    for file in folder.iterdir():
        file.unlink()


def require_format(kind: str) -> None:
    if not importlib.util.find_spec("comfy.quant_ops"):
        pytest.skip("this ComfyUI has no formats of its own")
    if kind not in importlib.import_module("comfy.quant_ops").QUANT_ALGOS:
        pytest.skip(f"this ComfyUI, or its comfy-kitchen, does not know {kind}")


def draw(run, model, **values) -> torch.Tensor:
    conditions = [[[run.tell(value, seed), dict(values)]] for value, seed in ((1, 1), (-1, 2))]
    return run.sample(model, conditions, cfg=2.0, sigmas=SIGMAS, latent=torch.zeros(1, 4, 8, 8))


def read_weights(model, layers: list[str]) -> list[torch.Tensor]:
    """What layers of MODEL multiply by, however it is stored."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    weights = []
    for linear in map(model.get_model_object, layers):
        nothing, *columns = linear(torch.cat([torch.zeros(1, linear.in_features), torch.eye(linear.in_features)]))
        weights.append(torch.stack(columns, 1) - nothing[:, None])
    return weights


def test_a_person_is_drawn_as_on_unpacked_weights(host, run, packed, adapter, make_identity):
    identity, (near, rounded, _) = make_identity(), packed.tolerances
    plain = draw(run, packed.model)
    strengths = {(1.0, 0.0): near, (0.0, 1.0): rounded, (1.0, 1.0): rounded}
    drawn = []
    for pair, tolerance in strengths.items():
        ours, twin = (
            host.nodes.model.patching.apply_adapter(one, adapter, identity, *pair)
            for one in (packed.model, packed.twin)
        )
        drawn.append(draw(run, ours))
        assert run.differ(drawn[-1], draw(run, twin)) < tolerance
        assert run.differ(drawn[-1], plain) > max(0.3, 1.5 * tolerance)
    assert run.differ(drawn[2], drawn[0]) > 0.3 and run.differ(drawn[2], drawn[1]) > 0.1
    assert torch.equal(draw(run, packed.model), plain), "MODEL is left as it was"


def test_low_rank_weights_are_added_to_what_was_packed(host, packed, adapter, make_identity):
    applied = host.nodes.model.patching.apply_adapter(packed.model, adapter, make_identity(), 1.0, 0.7)
    loras = {}
    for site in host.consistentid.adapter.sites.list_sites(adapter.config)[::5]:
        for attention, projection, name in (("attn1", "to_q", "to_q"), ("attn2", "to_out", "to_out.0")):
            loras[f"diffusion_model.{site.comfy}.{attention}.{name}"] = adapter.adapter.loras[
                site, attention, projection
            ]
    before, after = (read_weights(model, list(loras)) for model in (packed.model, applied))
    for lora, was, now in zip(loras.values(), before, after, strict=True):
        change = 0.7 * (lora.up @ lora.down).float()
        assert (now - was - change).norm() / change.norm() < packed.tolerances[2]


def test_keys_of_a_person_are_not_packed(host, packed, adapter, make_identity):
    assert packed.model.model_size() < 0.9 * packed.twin.model_size()
    applied = host.nodes.model.patching.apply_adapter(packed.model, adapter, make_identity())
    assert not host.nodes.model.patching.find_missing_loras(applied, adapter, 1.0), "what it has is found again"
    patches = applied.model_options["transformer_options"]["patches_replace"]["attn2"].values()
    assert {patch.key_value.pair.dtype for patch in patches} == {torch.float32}


def test_as_hooks_it_is_the_same_or_refused_in_words(host, run, packed, adapter, make_identity):
    identity = make_identity()
    hooks = host.nodes.hooks.make_hooks(adapter, identity)
    is_older = not importlib.util.find_spec("comfy.quant_ops")
    if packed.kind == "fp8" or (packed.kind == "scaled fp8" and is_older):
        applied = host.nodes.model.patching.apply_adapter(packed.model, adapter, identity)
        assert run.differ(draw(run, packed.model, hooks=hooks), draw(run, applied)) < packed.tolerances[1]
        return
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"cannot change packed weights.* is a"):
        draw(run, packed.model, hooks=hooks)
    without = host.nodes.hooks.make_hooks(adapter, identity, 1.0, 0.0)
    applied = host.nodes.model.patching.apply_adapter(packed.model, adapter, identity, 1.0, 0.0)
    assert run.differ(draw(run, packed.model, hooks=without), draw(run, applied)) < 1e-4
