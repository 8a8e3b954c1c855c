"""The words of the zoo's base model: texts to learn from, a tokenizer in CLIP's form, and its text encoder."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from consistentid.adapter.config import FIXED_SENTENCES, ZOO
from consistentid.prompt.align import append_caption
from consistentid.prompt.mark import EXTRA_CLAUSES
from zoo.drawn_faces import Person, Scene, describe_features, describe_person, write_prompt, write_scene_prompt

from .pictures import Pictures

WIDTH = ZOO.width
LENGTH = 77
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
FORMS = {
    "nothing": 0.1,
    "looks": 0.2,
    "looks and features": 0.2,
    "scene": 0.15,
    "scene and face": 0.1,
    "scene and features": 0.1,
    "scene and sentence": 0.075,
    "scene and whole sentence": 0.075,
}
"""How often the base model reads what of a picture. The face is described in seven clauses, its features in five; the
sentence is that of a portrait without a captioner, the whole one with eyebrows and hair as regions."""
OTHER_WORDS = ("photo", "portrait", "picture", "drawing", "face", "person", "high", "quality", "low", "blurry")


def write_text(person: Person, scene: Scene, form: str) -> str:
    """The text of a picture in one of FORMS; facial words follow the separator, as ConsistentID puts them there."""
    if form == "nothing":
        return ""
    text = write_prompt(person, scene) if form.startswith("looks") else write_scene_prompt(person, scene)
    captions = {
        "face": describe_person(person),
        "features": describe_features(person),
        "sentence": ZOO.fixed_sentence,
        "whole sentence": " ".join([ZOO.fixed_sentence, *(f"{clause}," for clause in EXTRA_CLAUSES.values())]),
    }
    caption = captions.get(form.rpartition(" and ")[2])
    return append_caption(text, caption, ZOO) if caption else text


def write_texts(pictures: Pictures) -> list[list[str]]:
    """The texts of every picture, [row][form]."""
    shown = map(pictures.name, range(len(pictures)))
    return [[write_text(person, scene, form) for form in FORMS] for person, scene in shown]


def write_tokenizer(folder: Path, texts: Iterable[str]) -> None:
    """CLIP's tokenizer files for the words of `texts`, each one token; other words are spelt."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = sorted({word for text in (*texts, *FIXED_SENTENCES, *OTHER_WORDS) for word in _split(text)})
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.WhitespaceSplit(), decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=1 << 16, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    merged = [token for token in learnt["vocab"] if token.removesuffix("</w>") not in alphabet]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *merged, BEGIN, END]
    merges = [" ".join(pair) for pair in learnt["merges"]]
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def read_tokenizer(folder: Path):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def make_text_encoder(tokenizer):
    """A CLIP text encoder of two layers, untrained."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=3,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokenize(tokenizer, texts: list[str]) -> np.ndarray:
    """Token ids int64 [N, LENGTH]."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="np").input_ids


def _split(text: str) -> list[str]:
    """The pieces CLIP's tokenizer splits a text into."""
    import regex

    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", text.lower())
