"""Describing the face in words."""

import gc
from pathlib import Path

import comfy.model_management
import comfy.utils
import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import FIXED_SENTENCES, SD15
from ..consistentid.caption.clauses import find_missing, normalise_caption
from ..consistentid.caption.describe import MAX_NEW_TOKENS, QUESTION, Captioner, check_captioner, load_captioner
from ..consistentid.caption.hub import find_cached
from ..consistentid.caption.quantisation import PRECISIONS, estimate_size
from ..consistentid.errors import CaptionError
from .boundary import sockets
from .boundary.layout import read_photo
from .model.hosting import make_patcher
from .server import folders

NORMALISE = ("answer", "answer and text", "off")


class LoadCaptioner(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadCaptioner",
            display_name="Load Captioner (LLaVA, Qwen2.5-VL)",
            category=sockets.LOADERS,
            description="Optional: a vision-language model that describes the face. Its weights are read when needed.",
            **sockets.list_aliases("llava", "qwen", "caption", "vlm", "反推", "描述"),
            inputs=[
                io.Combo.Input(
                    "model_folder",
                    options=[*folders.list_folders("captioner"), *find_cached()],
                    tooltip=(
                        "A folder in models/LLM in transformers' format, such as llava-1.5-7b-hf or "
                        "Qwen2.5-VL-7B-Instruct, or a model of the Hugging Face cache"
                    ),
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    optional=True,
                    tooltip=(
                        "8-bit and 4-bit take less memory and may describe less well; they need a CUDA device, "
                        "bitsandbytes and accelerate"
                    ),
                ),
                io.Boolean.Input(
                    "keep_loaded",
                    default=False,
                    optional=True,
                    tooltip=(
                        "On: many photos go faster, but less memory is left for drawing. Only with the precision full"
                    ),
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[sockets.Captioner.Output("captioner", display_name="captioner", tooltip="For Describe Face")],
        )

    @classmethod
    def validate_inputs(cls, model_folder, precision="full", keep_loaded=False) -> bool | str:
        if keep_loaded and precision not in ("full", None):
            return (
                f"A {precision} captioner cannot be kept: ComfyUI could not take its memory back. Use full precision."
            )
        return model_folder in find_cached() or folders.check(folders.find_folder, model_folder, "captioner")

    @classmethod
    def fingerprint_inputs(cls, model_folder, precision="full", keep_loaded=False) -> str:
        return folders.fingerprint(_find_captioner, model_folder, "captioner")

    @classmethod
    def execute(cls, model_folder: str, precision: str = "full", keep_loaded: bool = False) -> io.NodeOutput:
        folder = _find_captioner(model_folder, "captioner")
        check_captioner(folder, precision, comfy.model_management.get_torch_device())
        return io.NodeOutput(HostedCaptioner(folder, precision, keep_loaded))


def _find_captioner(name: str, id: str) -> Path:
    return find_cached().get(name) or folders.find_folder(name, id)


class HostedCaptioner:
    """A captioner whose weights are read for a description and dropped after it, or kept for the host to manage."""

    def __init__(self, folder: Path, precision: str = "full", keep_loaded: bool = False):
        self.folder = folder
        self.precision = precision
        self.keep_loaded = keep_loaded and precision == "full"
        self.captioner: Captioner | None = None
        self.patcher = None

    def describe(self, photo: np.ndarray, question: str, max_new_tokens: int) -> str:
        progress = comfy.utils.ProgressBar(max_new_tokens)

        def on_token():
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update(1)

        try:
            return self._load().describe(photo, question, max_new_tokens, on_token)
        finally:
            if not self.keep_loaded:
                self.release()

    def release(self) -> None:
        """Drop the weights; the host takes a model off its list when nothing refers to it any more."""
        self.captioner = self.patcher = None
        gc.collect()
        comfy.model_management.soft_empty_cache()

    def _load(self) -> Captioner:
        device = comfy.model_management.get_torch_device()
        dtype = comfy.model_management.text_encoder_dtype(comfy.model_management.text_encoder_device())
        if dtype.itemsize < 2:  # float8, in which transformers' layers do not compute
            dtype = torch.float16
        if self.precision != "full":
            _make_room(estimate_size(self.folder, self.precision), device)
            self.captioner = load_captioner(self.folder, dtype, self.precision, device)
            return self.captioner
        if self.captioner is None:
            self.captioner = load_captioner(self.folder, dtype)
            # The host writes attributes on the module it owns; transformers' models forbid that, a list does not.
            self.patcher = make_patcher(torch.nn.ModuleList([self.captioner.model]))
            if not _fits(self.patcher):
                self.patcher.load_device = self.patcher.offload_device
        comfy.model_management.load_models_gpu([self.patcher], force_full_load=True)
        return self.captioner


def _make_room(size: int, device: torch.device) -> None:
    """Have the host free memory for weights it does not load itself, as it does for its own."""
    comfy.model_management.free_memory(size * 1.1 + comfy.model_management.minimum_inference_memory(), device)


def _fits(patcher) -> bool:
    """Whether the device holds the whole model: transformers' layers cannot be loaded in part."""
    memory = comfy.model_management.get_total_memory(patcher.load_device)
    return patcher.model_size() * 1.1 < memory - comfy.model_management.minimum_inference_memory()


class DescribeFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_DescribeFace",
            display_name="Describe Face",
            category=sockets.PHOTO,
            description=(
                "The facial description: your own text if you type one, else a captioner's, else the fixed sentence "
                "the model was published with."
            ),
            **sockets.list_aliases("caption", "llava", "face prompt", "面部描述", "反推"),
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    placeholder="a round face, large ears, brown eyes, a small nose, a wide mouth",
                    tooltip="Your own description; it wins over a captioner. Name face, ears, eyes, nose and mouth",
                ),
                sockets.Captioner.Input(
                    "captioner",
                    optional=True,
                    tooltip="Describes the face for you, from Load Captioner. Left open: your text alone",
                ),
                io.Image.Input("image", optional=True, tooltip="The photo; only needed by a captioner"),
                io.String.Input(
                    "question",
                    optional=True,
                    multiline=True,
                    default=QUESTION,
                    tooltip=(
                        "What the captioner is asked. Another question brings other words about the face into "
                        "the picture"
                    ),
                    **sockets.ADVANCED,
                ),
                io.Int.Input(
                    "max_new_tokens",
                    optional=True,
                    default=MAX_NEW_TOKENS,
                    min=16,
                    max=2048,
                    tooltip="Longer: more of the face in words, slower; too short, and regions are missing",
                    **sockets.ADVANCED,
                ),
                io.Combo.Input(
                    "normalise",
                    options=list(NORMALISE),
                    optional=True,
                    tooltip="What is shortened to one clause per region, so that none is lost: the captioner's answer, "
                    "your text too, or nothing",
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[
                io.String.Output("caption", display_name="caption", tooltip="For Encode Identity"),
                io.String.Output("report", display_name="report", tooltip="The full text, and regions it lacks"),
            ],
        )

    @classmethod
    def execute(
        cls,
        text: str,
        captioner: HostedCaptioner | None = None,
        image: Tensor | None = None,
        question: str = QUESTION,
        max_new_tokens: int = MAX_NEW_TOKENS,
        normalise: str = NORMALISE[0],
    ) -> io.NodeOutput:
        text = text.strip()
        if text in FIXED_SENTENCES:
            return _finish("The fixed sentence", text, False)
        if text:
            return _finish("Typed text", text, normalise == "answer and text")
        if captioner is None:
            return _finish("The fixed sentence", SD15.fixed_sentence, False)
        if image is None:
            raise CaptionError("The captioner needs the photo: connect 'image'.")
        answer = captioner.describe(read_photo(image), question, max_new_tokens)
        return _finish("The captioner's answer", answer, normalise != "off")


def _finish(source: str, text: str, normalise: bool) -> io.NodeOutput:
    """A caption and what is to be known of it."""
    caption = normalise_caption(text) if normalise else text
    missing = ", ".join(find_missing(text)) or "none"
    fate = "given neutral clauses" if normalise else "their regions get no facial token"
    lines = [f"{source}: {text}", f"Words it does not name: {missing}" + (f" ({fate})" if missing != "none" else "")]
    if caption != text:
        lines.append(f"Normalised: {caption}")
    return io.NodeOutput(caption, "\n".join(lines))
