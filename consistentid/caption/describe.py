"""Describing a face with a vision-language model such as LLaVA-1.5 or Qwen2.5-VL, through transformers."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from ..errors import CheckpointError, MissingPackageError
from ..packages import needed
from ..prompt.mark import WORDS
from ..weights import own_memory
from .quantisation import build_options, check_precision, is_quantised

QUESTION = "Describe this person's facial features for me, including face, ears, eyes, nose, and mouth."
MAX_NEW_TOKENS = 512
PATCH_PX = 28
MAX_PATCHES = 1280
"""Image tokens, one for each square of so many pixels, that a large photo gets from a model that takes photos at their
own size: the upper end of what Qwen2.5-VL's model card advises. A phone's photo would get its limit, 16,384."""


def ask_about(words: Collection[str]) -> str:
    """The question for these region words; QUESTION for the published five.

    >>> ask_about(["face", "nose", "hair"])
    "Describe this person's facial features for me, including face, nose, and hair."
    """
    *others, last = [word for word in WORDS if word in words]
    return f"{QUESTION.partition('face,')[0]}{', '.join([*others, f'and {last}' if others else last])}."


class Captioner:
    """A vision-language model of transformers and its processor; unless quantised, a host may move `model` between
    devices."""

    def __init__(self, model: Any, processor: Any):
        self.model = model
        self.processor = processor

    @torch.inference_mode()
    def describe(
        self,
        photo: np.ndarray,
        question: str = QUESTION,
        max_new_tokens: int = MAX_NEW_TOKENS,
        on_token: Callable[[], None] | None = None,
    ) -> str:
        """Answer a question about an RGB photo [H, W, 3], greedily and so deterministically.

        on_token is called before each new token; what it raises ends the description.
        """
        from transformers import LogitsProcessorList

        text = self._build_prompt(question)
        inputs = self.processor(images=self._fit(Image.fromarray(photo)), text=text, return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)

        def report(_ids, scores):
            if on_token:
                on_token()
            return scores

        output = self.model.generate(
            **inputs,
            do_sample=False,
            temperature=None,  # Qwen's own settings, which mean nothing without sampling
            top_k=None,
            top_p=None,
            max_new_tokens=max_new_tokens,
            logits_processor=LogitsProcessorList([report]),
        )
        answer = output[0, inputs["input_ids"].shape[1] :]
        return self.processor.decode(answer, skip_special_tokens=True).strip()

    def _fit(self, photo: Image.Image) -> Image.Image:
        """The photo, no larger than MAX_PATCHES where the model would take it at its own size."""
        if not hasattr(self.processor.image_processor, "merge_size"):
            return photo
        scale = PATCH_PX * (MAX_PATCHES / (photo.width * photo.height)) ** 0.5
        if scale >= 1:
            return photo
        width, height = (max(1, int(side * scale / PATCH_PX)) * PATCH_PX for side in photo.size)
        return photo.resize((width, height), Image.Resampling.BICUBIC)

    def _build_prompt(self, question: str) -> str:
        image = getattr(self.processor, "image_token", None) or "<image>"
        for token in (image, *self.processor.tokenizer.all_special_tokens):
            question = question.replace(token, " ")
        template = getattr(self.processor, "chat_template", None) or self.processor.tokenizer.chat_template
        if template:
            content = [{"type": "image"}, {"type": "text", "text": question}]
            message = {"role": "user", "content": content}
            return self.processor.apply_chat_template([message], chat_template=template, add_generation_prompt=True)
        return f"USER: {image}\n{question} ASSISTANT:"


def check_captioner(folder: str | Path, precision: str = "full", device: torch.device | str = "cpu") -> None:
    """Raise what load_captioner would raise before it reads weights: packages, precision, files."""
    with needed("transformers>=4.56", "Describing a face"):
        from transformers import __version__
    if tuple(int(part) for part in __version__.split(".")[:2]) < (4, 56):
        raise MissingPackageError("transformers>=4.56", f"Describing a face (transformers {__version__} is installed)")
    check_precision(precision, device)
    if not (Path(folder) / "config.json").is_file():
        raise CheckpointError(f"No transformers model in {folder}: config.json is missing.")
    if precision == "full" and is_quantised(folder):
        raise CheckpointError(
            f"{folder} holds quantised weights. Choose the precision 8-bit or 4-bit they were made in."
        )


def load_captioner(
    folder: str | Path,
    dtype: torch.dtype = torch.float16,
    precision: str = "full",
    device: torch.device | str = "cpu",
) -> Captioner:
    """A captioner from a local folder in transformers' format. Never downloads.

    precision "full": on the CPU, in `dtype`; "8-bit" and "4-bit": on `device`, from which it cannot be moved.
    Weights made in bfloat16 are not read in float16, whose range is smaller: Qwen2-VL then answers "!!!!" only
    (huggingface/transformers#33294).
    """
    check_captioner(folder, precision, device)
    with needed("transformers>=4.56", "Describing a face"):
        from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
    try:
        if dtype == torch.float16:
            made_in = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).dtype
            dtype = torch.bfloat16 if made_in == torch.bfloat16 else dtype
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        found = AutoModelForImageTextToText.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
            trust_remote_code=False,
            output_loading_info=True,
            **build_options(precision, dtype, device),
        )
        model, report = cast(tuple[Any, dict], found)
    except (MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        raise CheckpointError(f"{folder} is not a vision-language model that transformers can load: {error}") from error
    if report["missing_keys"]:
        raise CheckpointError(f"{folder} lacks weights: {sorted(report['missing_keys'])[:5]}. Download it again.")
    return Captioner((own_memory(model) if precision == "full" else model).eval(), processor)
