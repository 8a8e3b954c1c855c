"""Describing the face in words."""

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io

from ..consistentid.adapter.config import SD15
from ..consistentid.caption.describe import MAX_NEW_TOKENS, QUESTION, Captioner, load_captioner
from ..consistentid.errors import CaptionError
from . import folders, sockets
from .hosting import make_patcher
from .layout import read_photo


class LoadCaptioner(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadCaptioner",
            display_name="Load Captioner (LLaVA)",
            category=sockets.CATEGORY,
            description="Optional: loads a vision-language model that describes the face.",
            inputs=[
                io.Combo.Input(
                    "model_folder",
                    options=folders.list_folders("captioner"),
                    tooltip="A folder in models/LLM in transformers' format, such as llava-1.5-7b-hf",
                )
            ],
            outputs=[sockets.Captioner.Output("captioner", display_name="captioner")],
        )

    @classmethod
    def validate_inputs(cls, model_folder) -> bool | str:
        return folders.check(folders.find_folder, model_folder, "captioner")

    @classmethod
    def execute(cls, model_folder) -> io.NodeOutput:
        dtype = comfy.model_management.text_encoder_dtype(comfy.model_management.text_encoder_device())
        captioner = load_captioner(folders.find_folder(model_folder, "captioner"), dtype)
        return io.NodeOutput(HostedCaptioner(captioner))


class HostedCaptioner:
    """A captioner whose weights the host loads for a description and may free afterwards."""

    def __init__(self, captioner: Captioner):
        # The host writes attributes on the module it owns; transformers' models forbid that, a list does not.
        self.patcher = make_patcher(torch.nn.ModuleList([captioner.model]))
        self.captioner = captioner
        if not self._fits():
            self.patcher.load_device = self.patcher.offload_device

    def describe(self, photo, question: str, max_new_tokens: int) -> str:
        comfy.model_management.load_models_gpu([self.patcher], force_full_load=True)
        progress = comfy.utils.ProgressBar(max_new_tokens)

        def on_token():
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update(1)

        return self.captioner.describe(photo, question, max_new_tokens, on_token)

    def _fits(self) -> bool:
        """Whether the device holds the whole model: transformers' layers cannot be loaded in part."""
        memory = comfy.model_management.get_total_memory(self.patcher.load_device)
        return self.patcher.model_size() * 1.1 < memory - comfy.model_management.minimum_inference_memory()


class DescribeFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_DescribeFace",
            display_name="Describe Face",
            category=sockets.CATEGORY,
            description=(
                "The facial description: your own text if you type one, else a captioner's, else the fixed sentence "
                "the model was published with."
            ),
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    default="",
                    placeholder="a round face, large ears, brown eyes, a small nose, a wide mouth",
                    tooltip="Your own description; it wins over a captioner. Name face, ears, eyes, nose and mouth",
                ),
                sockets.Captioner.Input("captioner", optional=True),
                io.Image.Input("image", optional=True, tooltip="The photo; only needed by a captioner"),
                io.String.Input("question", optional=True, multiline=True, default=QUESTION),
                io.Int.Input("max_new_tokens", optional=True, default=MAX_NEW_TOKENS, min=16, max=2048),
            ],
            outputs=[io.String.Output("caption", display_name="caption")],
        )

    @classmethod
    def execute(
        cls, text, captioner=None, image=None, question=QUESTION, max_new_tokens=MAX_NEW_TOKENS
    ) -> io.NodeOutput:
        if text.strip():
            return io.NodeOutput(text.strip())
        if captioner is None:
            return io.NodeOutput(SD15.fixed_sentence)
        if image is None:
            raise CaptionError("The captioner needs the photo: connect 'image'.")
        return io.NodeOutput(captioner.describe(read_photo(image), question, max_new_tokens))
