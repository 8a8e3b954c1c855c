"""A CLIP and a DINO of a few thousand random weights, in transformers' folder format."""

import torch

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "red", "blue", "hat", "coat", "man", "woman"]


def make_clip(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", model_max_length=16
    )
    text = SIZES | {"intermediate_size": 64, "vocab_size": len(WORDS), "max_position_embeddings": 16}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    vision = SIZES | {"intermediate_size": 64, "image_size": 28, "patch_size": 14}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    image_processor = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return _save(model, CLIPProcessor(image_processor, tokenizer), folder)


def make_dino(folder):
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    processor = BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28})
    return _save(Dinov2Model(Dinov2Config(**SIZES, image_size=28, patch_size=14)), processor, folder)


def _save(model, processor, folder):
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():  # so that the result depends on the picture
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
