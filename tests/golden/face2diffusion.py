"""Golden numbers of Face2Diffusion: weights, files, and a text encoder for ComfyUI with the authors' way to use it."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from . import make_weight, read_json

CASES = read_json("face2diffusion.json")

# Absolute; the measured floors (float32 against float64) are 1.9e-6, 1.6e-6, 3.1e-6 and 4.8e-6.
NETWORK, TEXT, CHAIN = 2e-5, 5e-5, 1e-4
# Sums, sums of magnitudes and sums of squares over the 768 channels of a text token.
ROW_SUM, ROW_ABSSUM, ROW_SUMSQ = 1e-3, 2e-3, 5e-3


def make_state(part: str) -> dict[str, torch.Tensor]:
    """Weights of "msid", "mapping" or "text", under the keys of the released files."""
    return {key: make_weight(f"f2d.{part}.{key}", shape) for key, shape in CASES["layout"][part].items()}


def write_package(folder) -> None:
    """msid.pt and mapping.pt as they are released."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("msid", "mapping"):
        torch.save(make_state(name), folder / f"{name}.pt")


def make_comfy_clip():
    """ComfyUI's CLIP for SD1.5 with the two layers and the weights of the golden cases."""
    import comfy.sd
    import comfy.sd1_clip

    class Target:
        clip, tokenizer, params = comfy.sd1_clip.SD1ClipModel, comfy.sd1_clip.SD1Tokenizer, {}

    layers = {"num_hidden_layers": CASES["text_config"]["num_hidden_layers"]}
    options = {"clip_l_model_config": layers, "dtype": torch.float32}
    clip = comfy.sd.CLIP(Target, model_options=options, embedding_directory=[])
    missing, unexpected = clip.load_sd(make_state("text"))
    assert not unexpected and all("text_projection" in key or "logit_scale" in key for key in missing)
    return clip


def replace_rows(clip, text: str, places: dict[int, torch.Tensor], layer: int | None = None) -> torch.Tensor:
    """The authors' way, in plain code: rows of token plus position embedding are replaced, then the encoder runs.

    text: one chunk, with any one token where a vector goes; places: {row: vector}; layer: the last one, for clip skip.
    """
    model = clip.cond_stage_model.clip_l.transformer.text_model
    ids = torch.tensor([[token for token, _ in clip.tokenize(text)["l"][0]]])
    rows = model.embeddings(ids)
    for place, vector in places.items():
        rows[0, place] = vector
    mask = torch.full((77, 77), float("-inf")).triu(1)
    for block in model.encoder.layers[: None if layer is None else layer + 1]:
        rows = block(rows, mask, _attend)
    return model.final_layer_norm(rows)


def _attend(q, k, v, heads, mask):
    split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
    return scaled_dot_product_attention(*split, attn_mask=mask).transpose(1, 2).flatten(2)
