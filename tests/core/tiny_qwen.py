"""A tiny random Qwen2.5-VL in a folder as Qwen publishes it: byte-level tokenizer, chat template, bfloat16 weights."""

import json
from pathlib import Path

import torch

SPECIAL = ("<|im_end|>", "<|endoftext|>", "<|im_start|>")
SPECIAL += ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
IDS = {name: 256 + number for number, name in enumerate(SPECIAL)}
END, PAD = IDS["<|im_end|>"], IDS["<|endoftext|>"]
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGES = {
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}
GENERATION = {"do_sample": True, "temperature": 0.000001, "repetition_penalty": 1.05}
GENERATION |= {"bos_token_id": PAD, "pad_token_id": PAD, "eos_token_id": [END, PAD]}
TOKENIZER = {
    "tokenizer_class": "Qwen2Tokenizer",
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "additional_special_tokens": list(SPECIAL[2:]),
}
SIZES = {"hidden_size": 32, "intermediate_size": 64}
CONFIG = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 256 + len(IDS),
    "max_position_embeddings": 128000,
    "rope_theta": 1000000.0,
    "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
    "bos_token_id": PAD,
    "eos_token_id": END,
    "vision_start_token_id": IDS["<|vision_start|>"],
    "vision_end_token_id": IDS["<|vision_end|>"],
    "image_token_id": IDS["<|image_pad|>"],
    "video_token_id": IDS["<|video_pad|>"],
    "vision_config": {
        "depth": 2,
        "num_heads": 2,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
        "window_size": 56,
    }
    | SIZES,
    **SIZES,
}


def write_qwen(folder: Path) -> Path:
    """Write it; files, keys and settings are those of Qwen/Qwen2.5-VL-7B-Instruct, sizes are not."""
    folder.mkdir(exist_ok=True)
    files = {"config": CONFIG, "preprocessor_config": IMAGES, "generation_config": GENERATION}
    files |= {"tokenizer_config": TOKENIZER, "chat_template": {"chat_template": TEMPLATE}}
    texts = {folder / f"{name}.json": json.dumps(content) for name, content in files.items()}
    (folder / "config.json").write_text(texts[folder / "config.json"])
    make_model(folder).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    for path, text in texts.items():  # in place of what this version of transformers writes
        path.write_text(text)
    return folder


def make_tokenizer():
    from tokenizers import pre_tokenizers
    from transformers import Qwen2Tokenizer

    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[], eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    return tokenizer


def make_model(folder: Path):
    """As the config in the folder says, in bfloat16."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    for parameter in model.parameters():  # so that the answer depends on the photo
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.to(torch.bfloat16)
