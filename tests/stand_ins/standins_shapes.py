"""Key names and shapes of the published CLIP encoders and of the adapter's attention weights."""

# Hidden widths of the transformer blocks, in the adapter's order: down, up, middle.
STANDIN_WIDTHS = {"sd15": (320,) * 16, "sdxl": (320,) * 70}
REAL_WIDTHS = {
    "sd15": (320,) * 2 + (640,) * 2 + (1280,) * 5 + (640,) * 3 + (320,) * 3 + (1280,),
    "sdxl": (640,) * 4 + (1280,) * 50 + (640,) * 6 + (1280,) * 10,
}


def adapter_module_shapes(widths, context, rank):
    """Keys and shapes of `adapter_modules`: per block, attention 2p (self) and 2p + 1 (text and ID tokens)."""
    shapes = {}
    for block, width in enumerate(widths):
        for attention, source in ((2 * block, width), (2 * block + 1, context)):
            for layer, inputs in (("q", width), ("k", source), ("v", source), ("out", width)):
                shapes[f"{attention}.to_{layer}_lora.down.weight"] = (rank, inputs)
                shapes[f"{attention}.to_{layer}_lora.up.weight"] = (width, rank)
        for layer in "kv":
            shapes[f"{2 * block + 1}.to_{layer}_ip.weight"] = (width, context)
    return shapes


def clip_text_shapes():
    width = 768
    shapes = {
        "text_model.embeddings.token_embedding.weight": (49408, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
    }
    shapes |= _clip_layer_shapes("text_model.encoder", 12, width, 3072)
    return shapes | _norm_shapes("text_model.final_layer_norm", width)


def open_clip_text_shapes():
    """OpenCLIP's bigG text encoder under its own key names, as SDXL checkpoints have it."""
    width, inner = 1280, 5120
    shapes = {
        "positional_embedding": (77, width),
        "token_embedding.weight": (49408, width),
        "text_projection": (width, width),
        "logit_scale": (),
    }
    for layer in range(32):
        name = f"transformer.resblocks.{layer}"
        linears = {"attn.out_proj.": (width, width), "mlp.c_fc.": (inner, width), "mlp.c_proj.": (width, inner)}
        for linear, size in {"attn.in_proj_": (3 * width, width), **linears}.items():
            shapes[f"{name}.{linear}weight"] = size
            shapes[f"{name}.{linear}bias"] = size[:1]
        shapes |= _norm_shapes(f"{name}.ln_1", width) | _norm_shapes(f"{name}.ln_2", width)
    return shapes | _norm_shapes("ln_final", width)


def clip_vision_shapes():
    width = 1280
    shapes = {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "visual_projection.weight": (1024, width),
    }
    shapes |= _clip_layer_shapes("vision_model.encoder", 32, width, 5120)
    for norm in ("pre_layrnorm", "post_layernorm"):
        shapes |= _norm_shapes(f"vision_model.{norm}", width)
    return shapes


def _clip_layer_shapes(prefix, count, width, inner):
    shapes = {}
    for layer in range(count):
        name = f"{prefix}.layers.{layer}"
        sizes = {f"self_attn.{p}_proj": (width, width) for p in "qkv"}
        sizes |= {"self_attn.out_proj": (width, width), "mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        for linear, size in sizes.items():
            shapes[f"{name}.{linear}.weight"] = size
            shapes[f"{name}.{linear}.bias"] = size[:1]
        shapes |= _norm_shapes(f"{name}.layer_norm1", width) | _norm_shapes(f"{name}.layer_norm2", width)
    return shapes


def _norm_shapes(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
