"""Adapter files of both base models in every published spelling, and files that are not adapters."""

import json
import math
import re
from dataclasses import replace

import pytest
import torch
from golden_data import read_json

from consistentid.adapter.checkpoint import build_adapter, detect_config, load_adapter, split_parts
from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.sites import list_sites
from consistentid.adapter.trained_regions import add_regions
from consistentid.errors import CheckpointError
from consistentid.face.parsing import BiSeNet, load_face_parser
from consistentid.weights import write_weights

CONFIGS = {"sd15": SD15, "sdxl": SDXL}
LAYOUT = read_json("checkpoint_layout.json")


def make_parts(name: str, projection: str = "image_proj") -> dict[str, dict[str, torch.Tensor]]:
    """The three parts of the "sd15" or "sdxl" checkpoint: fp16 zeros that all share one number's memory."""
    parts = read_json("checkpoint_layout.json")[name]["parts"]
    return {
        projection if part.startswith("image_proj") else part: {
            key: torch.zeros((), dtype=torch.float16).expand(shape) for key, shape in content["keys"].items()
        }
        for part, content in parts.items()
    }


def flatten(parts: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{part}.{key}": tensor for part, tensors in parts.items() for key, tensor in tensors.items()}


def write_sparse_safetensors(path, tensors: dict[str, torch.Tensor]):
    """fp16 zeros of the tensors' shapes: a header, then a hole in the file."""
    header, end = {}, 0
    for key, tensor in tensors.items():
        begin, end = end, end + 2 * math.prod(tensor.shape)
        header[key] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


@pytest.fixture
def parts():
    return make_parts("sd15")


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("projection", ["image_proj", "image_proj_model"])
def test_nested_file(name, projection, tmp_path):
    torch.save(make_parts(name, projection), tmp_path / "adapter.bin")
    adapter = load_adapter(tmp_path / "adapter.bin")
    assert adapter.config is CONFIGS[name] and adapter.source == "adapter.bin"


@pytest.mark.parametrize("projection", ["image_proj", "image_proj_model"])
def test_dotted_file(projection, tmp_path):
    tensors = flatten(make_parts("sd15", projection))
    adapter = load_adapter(write_sparse_safetensors(tmp_path / "adapter.safetensors", tensors))
    assert adapter.config is SD15
    assert adapter.facial_encoder.visual_projection.latents.dtype == torch.float16


@pytest.mark.parametrize("name", CONFIGS)
def test_modules_have_the_published_keys_and_sizes(name):
    adapter = build_adapter(make_parts(name), "x.bin")
    parts = {part.removesuffix("_model"): content for part, content in LAYOUT[name]["parts"].items()}
    for part, module in (("FacialEncoder", adapter.facial_encoder), ("image_proj", adapter.id_projection)):
        assert {key: list(tensor.shape) for key, tensor in module.state_dict().items()} == parts[part]["keys"]
        assert sum(p.numel() for p in module.parameters()) == parts[part]["parameters"]
    ip = sum(p.numel() for p in adapter.id_layers.parameters())
    lora = sum(tensor.numel() for pair in adapter.loras.values() for tensor in pair)
    assert (ip, lora) == (LAYOUT[name]["adapter_ip_parameters"], LAYOUT[name]["adapter_lora_parameters"])


def test_entries_reach_their_sites(parts):
    modules = parts["adapter_modules"]
    for number, key in enumerate(modules):
        modules[key] = torch.tensor(float(number), dtype=torch.float16).expand(modules[key].shape)
    adapter = build_adapter(parts, "x.bin")
    assert len(adapter.id_layers) == 16 and len(adapter.loras) == 16 * 2 * 4
    for site, layer in zip(list_sites(SD15), adapter.id_layers, strict=True):
        for name in ("to_k_ip", "to_v_ip"):
            assert torch.equal(getattr(layer, name).weight, modules[f"{site.cross_entry}.{name}.weight"])
        for attention, entry in (("attn1", 2 * site.position), ("attn2", 2 * site.position + 1)):
            for projection in ("to_q", "to_k", "to_v", "to_out"):
                lora = adapter.loras[site, attention, projection]
                assert torch.equal(lora.up, modules[f"{entry}.{projection}_lora.up.weight"])
                assert torch.equal(lora.down, modules[f"{entry}.{projection}_lora.down.weight"])


def test_rank_and_width_come_from_the_file(parts):
    for key, tensor in parts["adapter_modules"].items():
        if "lora" in key:
            shape = (8, tensor.shape[1]) if "down" in key else (tensor.shape[0], 8)
            parts["adapter_modules"][key] = torch.zeros(shape)
    assert {lora.down.shape[0] for lora in build_adapter(parts, "x.bin").loras.values()} == {8}


def change(parts: dict, part: str, key: str, tensor: torch.Tensor | None) -> dict:
    tensors = {**parts[part], key: tensor}
    return {**parts, part: {k: v for k, v in tensors.items() if v is not None}}


PROBLEMS = {
    "encoder key missing": ("FacialEncoder", "fuse_module.mlp1.fc1.bias", None),
    "encoder key extra": ("FacialEncoder", "fuse_module.mlp3.fc1.bias", torch.zeros(1)),
    "encoder key misshaped": ("FacialEncoder", "visual_projection.latents", torch.zeros(1, 2, 1024)),
    "projection key missing": ("image_proj", "norm.weight", None),
    "projection key misshaped": ("image_proj", "proj.0.weight", torch.zeros(1024, 511)),
    "lora key missing": ("adapter_modules", "4.to_out_lora.up.weight", None),
    "lora key extra": ("adapter_modules", "4.to_q_lora.bias", torch.zeros(1)),
    "lora transposed": ("adapter_modules", "4.to_v_lora.down.weight", torch.zeros(640, 128)),
    "mixed rank": ("adapter_modules", "5.to_k_lora.down.weight", torch.zeros(64, 768)),
    "lora not a matrix": ("adapter_modules", "0.to_q_lora.up.weight", torch.zeros(320)),
    "ip keys in a self-attention": ("adapter_modules", "2.to_k_ip.weight", torch.zeros(320, 768)),
    "ip key missing": ("adapter_modules", "3.to_v_ip.weight", None),
    "ip key of SDXL": ("adapter_modules", "3.to_k_ip.weight", torch.zeros(320, 2048)),
    "entry without number": ("adapter_modules", "mid.to_k_ip.weight", torch.zeros(320, 768)),
}


@pytest.mark.parametrize(("part", "key", "tensor"), PROBLEMS.values(), ids=PROBLEMS)
def test_one_wrong_key(part, key, tensor, parts):
    with pytest.raises(CheckpointError) as caught:
        build_adapter(change(parts, part, key, tensor), "my.bin")
    message = str(caught.value)
    assert "my.bin" in message
    assert key.removesuffix(".weight").rpartition(".")[2] in message and part in message, message


@pytest.mark.parametrize("problem", ["encoder key missing", "lora key extra", "mixed rank", "entry without number"])
def test_message_says_what_to_do(problem, parts):
    with pytest.raises(CheckpointError, match=r"(?i)download|use "):
        build_adapter(change(parts, *PROBLEMS[problem]), "my.bin")


@pytest.mark.parametrize("entries", [range(0, 31), range(1, 32), range(0, 33), ()], ids=lambda e: str(len(e)))
def test_other_number_of_layers(entries, parts):
    modules = parts["adapter_modules"]
    parts["adapter_modules"] = {key: v for key, v in modules.items() if int(key.split(".")[0]) in entries}
    parts["adapter_modules"] |= {"32.to_q_lora.up.weight": torch.zeros(1, 1)} if 32 in entries else {}
    with pytest.raises(CheckpointError, match=rf"my\.bin.* {len(entries)} attention layers.*SD1\.5.*32.*SDXL.*140"):
        build_adapter(parts, "my.bin")


def test_mixed_base_models(parts):
    sdxl = make_parts("sdxl")
    for part in parts:
        with pytest.raises(CheckpointError, match=r"my\.bin"):
            build_adapter({**parts, part: sdxl[part]}, "my.bin")


@pytest.mark.parametrize("name", CONFIGS)
def test_detected_config(name):
    assert detect_config(make_parts(name), "x") is CONFIGS[name]


LORA = {f"lora_unet_down_blocks_0_attentions_{i}.lora_up.weight": torch.zeros(1, 1) for i in range(9)}
FOREIGN = {
    "LoRA": (LORA, "FacialEncoder, adapter_modules, image_proj"),
    "IP-Adapter": ({"image_proj": {"a": torch.zeros(1)}, "ip_adapter": {"b": torch.zeros(1)}}, "ip_adapter"),
    "empty": ({}, "FacialEncoder, adapter_modules, image_proj"),
    "training state": ({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, "state_dict, epoch"),
    "part without tensors": ({"FacialEncoder": 1, "image_proj": {}, "adapter_modules": {}}, "FacialEncoder"),
}


@pytest.mark.parametrize(("content", "found"), FOREIGN.values(), ids=FOREIGN)
def test_not_an_adapter(content, found, tmp_path):
    torch.save(content, tmp_path / "other.bin")
    with pytest.raises(
        CheckpointError, match=rf"other\.bin is not a ConsistentID adapter.*{found}.*ConsistentID-v1\.bin"
    ):
        load_adapter(tmp_path / "other.bin")


def test_extra_top_level_key(parts):
    with pytest.raises(CheckpointError, match=r"x\.bin has unexpected top-level keys \(1\): epoch"):
        split_parts({**parts, "epoch": 3}, "x.bin")


@pytest.mark.parametrize("value", [3, None, {"a": torch.zeros(1)}], ids=repr)
def test_a_part_with_what_is_no_tensor(value, parts):
    parts["adapter_modules"]["4.to_q_lora.up.weight"] = value
    with pytest.raises(CheckpointError, match=rf"x\.bin: adapter_modules .*q_lora.*: {type(value).__name__}, not a"):
        split_parts(parts, "x.bin")


def test_face_parser_and_adapter_confused(tmp_path, parts):
    with torch.device("meta"):
        shapes = {key: (tensor.shape, tensor.dtype) for key, tensor in BiSeNet().state_dict().items()}
    network = {key: torch.zeros((), dtype=dtype).expand(shape) for key, (shape, dtype) in shapes.items()}
    torch.save(network, tmp_path / "face_parsing.pth")
    torch.save(parts, tmp_path / "adapter.bin")
    assert not load_face_parser(tmp_path / "face_parsing.pth").training
    with pytest.raises(CheckpointError, match=r"face_parsing\.pth is not a ConsistentID adapter"):
        load_adapter(tmp_path / "face_parsing.pth")
    with pytest.raises(CheckpointError, match=r"adapter\.bin.*BiSeNet.*unexpected \(FacialEncoder"):
        load_face_parser(tmp_path / "adapter.bin")
    torch.save(network | {"cp.resnet.fc.weight": torch.zeros(1000, 512)}, tmp_path / "with_fc.pth")
    assert load_face_parser(tmp_path / "with_fc.pth").conv_out.conv_out.weight.dtype == torch.float32


@pytest.mark.parametrize("wrap", [None, "state_dict", "module"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_what_the_authors_trainer_saves(wrap, prefix, tmp_path):
    """The frozen UNet beside the three parts, as accelerate and DeepSpeed wrap it."""
    content = {f"{prefix}{key}": value for key, value in flatten(make_parts("sd15", "image_proj_model")).items()}
    content |= {f"{prefix}unet.conv_in.weight": torch.zeros(1)}
    torch.save({wrap: content, "epoch": 3} if wrap else content, tmp_path / "pytorch_model.bin")
    assert load_adapter(tmp_path / "pytorch_model.bin").config is SD15


def test_a_training_checkpoint_without_the_parts_is_named(tmp_path):
    torch.save(
        {"unet.conv_in.weight": torch.zeros(1), "image_proj_model.norm.weight": torch.zeros(1)}, tmp_path / "x.bin"
    )
    with pytest.raises(CheckpointError, match=r"\S+ is a training checkpoint.*found image_proj\. Save the three parts"):
        load_adapter(tmp_path / "x.bin")


@pytest.mark.parametrize("key", ["adapter_modules", "FacialEncoder", "image_proj"])
def test_an_adapter_with_a_value_that_is_no_number(parts, key):
    name = next(iter(parts[key]))
    parts[key][name] = parts[key][name].clone()
    parts[key][name].view(-1)[-1] = float("nan")
    with pytest.raises(CheckpointError, match=rf"x\.bin.*no numbers.*{re.escape(name)}"):
        build_adapter(parts, "x.bin")


def test_the_regions_an_adapter_was_trained_with(tmp_path):
    """Published files name none, and words of a newer version are left out."""
    for text, expected in (("face,hair,beard", ("face", "hair")), ("beard", None), ("", None)):
        path = tmp_path / f"{text or 'none'}.safetensors"
        write_weights(path, {"x": torch.zeros(1)}, {"regions": text})
        config = add_regions(SD15, path)
        assert config is SD15 if expected is None else config == replace(SD15, regions=expected)
    torch.save({}, tmp_path / "adapter.bin")
    assert add_regions(SD15, tmp_path / "adapter.bin") is SD15
