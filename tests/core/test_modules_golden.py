"""FacialEncoder, ID projection, BiSeNet and attention against numbers computed with the authors' code."""

import numpy as np
import pytest
import torch
from golden_data import (
    MODULE,
    difference,
    make_input,
    make_weight,
    make_weights,
    read_arrays,
    read_case,
    read_json,
    read_tensors,
)

from consistentid.adapter.attention import Lora, add_id_attention, attend
from consistentid.adapter.facial_encoder import FacialEncoder
from consistentid.adapter.id_projection import IDProjection
from consistentid.face.parsing import BiSeNet

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture(scope="module")
def no_grad():
    with torch.inference_mode():
        yield


def build(module_type, name: str, *args):
    with torch.device("meta"):
        module = module_type(*args)
    module.load_state_dict(make_weights(name), assign=True)
    return module.eval()


@pytest.fixture(scope="module", params=[768, 2048])
def id_projection(request):
    return request.param, build(IDProjection, f"image_proj_{request.param}", request.param)


def test_id_projection(id_projection):
    width, module = id_projection
    case = f"image_proj_{width}"
    expected = read_tensors(f"{case}.safetensors")
    inputs = {key.split("/")[1]: make_input(key, shape) for key, shape in read_case(case)["inputs"].items()}
    identity, features = inputs["id_embeds"], inputs["clip_embeds"]
    unconditional = (torch.zeros_like(identity), inputs["uncond_clip_embeds"])
    unit = identity / identity.norm(dim=-1, keepdim=True)
    results = {
        "cond.shortcut_false": module(identity, features),
        "cond.shortcut_true": module(identity, features, shortcut=True),
        "cond.shortcut_true.scale_0.5": module(identity, features, shortcut=True, scale=0.5),
        "uncond.shortcut_false": module(*unconditional),
        "uncond.shortcut_true": module(*unconditional, shortcut=True),
        "cond_unit_id.shortcut_false": module(unit, features),
        "batch2.shortcut_false": module(inputs["id_embeds_b2"], inputs["clip_embeds_b2"]),
    }
    assert expected.keys() <= results.keys()
    assert {name: difference(results[name], expected[name]) for name in expected} == pytest.approx(
        dict.fromkeys(expected, 0.0), abs=MODULE
    )


@pytest.fixture(scope="module", params=[768, 2048])
def facial_encoder(request):
    return request.param, build(FacialEncoder, f"facial_encoder_{request.param}", request.param)


def test_facial_encoder(facial_encoder):
    width, module = facial_encoder
    case = read_case(f"facial_encoder_{width}")
    expected = read_tensors(f"facial_encoder_{width}.safetensors")
    tokens = {
        name: module.encode_regions(make_input(name, shape).flatten(0, 1)).unflatten(0, shape[:2])
        for name, shape in case["inputs"].items()
    }
    first = next(iter(tokens))
    assert difference(tokens[first][0].unsqueeze(1), expected["visual_projection"]) <= MODULE
    subcases = [subcase for subcase in case["subcases"].values() if subcase["output"] in expected]
    assert subcases
    for subcase in subcases:
        prompt = make_input(subcase["prompt_embeds"], subcase["prompt_embeds_shape"])
        before = prompt.clone()
        changed = []
        for row, positions in enumerate(subcase["positions"]):
            region_tokens = tokens[subcase["multi_image_embeds"]][row][: len(positions)]
            fused = module(prompt[row : row + 1], region_tokens, torch.tensor(positions, dtype=torch.long))
            changed.append(fused[0, positions])
            untouched = torch.ones(prompt.shape[1], dtype=torch.bool)
            untouched[positions] = False
            assert torch.equal(fused[0, untouched], prompt[row, untouched])
        assert torch.equal(prompt, before)
        assert difference(torch.cat(changed), expected[subcase["output"]]) <= MODULE


@pytest.fixture(scope="module")
def bisenet():
    return build(BiSeNet, "bisenet")


def test_face_parsing(bisenet):
    expected = read_arrays("bisenet_argmax.npz")["argmax_512"]
    labels = bisenet.parse(read_arrays("images.npz")["image.astronaut_512x512"])
    # 11 pixels of this image have their two best logits closer than 1e-5.
    assert np.count_nonzero(labels != expected) <= 20


def test_face_parsing_heads(bisenet):
    expected = read_tensors("bisenet.safetensors")
    main, head16, head32 = bisenet(make_input("bisenet/input_small", (1, 3, 96, 160)))
    assert difference(main[0, :, ::4, ::4], expected["small.logits_stride4"]) <= MODULE
    assert difference(head16[0, :, ::8, ::8], expected["small.head16_stride8"]) <= MODULE
    assert difference(head32[0, :, ::8, ::8], expected["small.head32_stride8"]) <= MODULE


EXPECTED_ATTENTION = read_tensors("attention_block.safetensors")
ATTENTION_CASES = read_case("attention_block")["subcases"]


def weights_of(group: str, prefix: str = "") -> dict[str, torch.Tensor]:
    keys = read_json("weight_keys.json")["attention_block"][group]
    return {key: make_weight(prefix + key, shape) for key, shape in keys}


@pytest.mark.parametrize("name", EXPECTED_ATTENTION)
def test_attention(name):
    case = ATTENTION_CASES[name]
    args = case["processor_args"]
    is_cross = case["context"] is not None
    base = weights_of("attention_cross" if is_cross else "attention_self")
    extra = weights_of(case["processor"])

    def merged(projection, key):
        lora = Lora(extra[f"{projection}_lora.up.weight"], extra[f"{projection}_lora.down.weight"])
        return base[key] + lora.delta(args.get("lora_scale", 1.0), args.get("network_alpha"))

    shapes = read_case("attention_block")["inputs"]
    image = make_input(case["hidden_states"], shapes[case["hidden_states"]])
    x = image.flatten(2).transpose(1, 2) if image.ndim == 4 else image
    context = make_input(case["context"], shapes[case["context"]]) if is_cross else x
    text = context[:, :-4] if is_cross else context
    query = x @ merged("to_q", "to_q.weight").T
    key_value = tuple(text @ merged(p, f"{p}.weight").T for p in ("to_k", "to_v"))
    heads = case["attention"]["heads"]
    out = attend(query, *key_value, heads)
    if is_cross:
        id_kv = tuple(context[:, -4:] @ extra[f"{p}_ip.weight"].T for p in ("to_k", "to_v"))
        out = add_id_attention(out, query, id_kv, heads, args.get("scale", 1.0))
    out = out @ merged("to_out", "to_out.0.weight").T + base["to_out.0.bias"]
    if image.ndim == 4:
        out = out.transpose(1, 2).reshape(image.shape)
    if case["attention"].get("residual_connection"):
        out = out + image
    out = out / case["attention"].get("rescale_output_factor", 1.0)
    assert difference(out, EXPECTED_ATTENTION[name]) <= MODULE
