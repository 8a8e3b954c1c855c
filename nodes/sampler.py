"""The sampler with the merge step as published."""

import logging

import comfy.samplers
import node_helpers
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.errors import ConsistentIDError, IncompatibleModelError
from ..consistentid.finite import is_finite, require_finite
from .boundary import sockets
from .hooks import IdentityHook
from .model.patching import has_adapter
from .model.stages import STAGE


class SamplePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_Sampler",
            display_name="ConsistentID Sampler",
            category=sockets.SAMPLING,
            description=(
                "A KSampler whose merge point is a step number, as published: steps 0 to start_merge_step see the text "
                "alone, later ones the facial tokens. Any other sampler works too, with merge_at as a fraction."
            ),
            **sockets.list_aliases("ksampler", "merge step", "采样"),
            inputs=[
                io.Model.Input("model", tooltip="With ConsistentID applied"),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Another number is another picture of the same person; the same number repeats it",
                ),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=10000,
                    tooltip="More: finer, and slower. Published: 50",
                ),
                io.Float.Input(
                    "cfg",
                    default=5.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip=(
                        "Higher: closer to the prompt, with harsher colours; lower: freer and softer. "
                        "Published: 5 for SD1.5, 7.5 for SDXL"
                    ),
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=comfy.samplers.KSampler.SAMPLERS,
                    default="euler",
                    tooltip="Changes details, and how many steps are needed. Published: euler",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.KSampler.SCHEDULERS,
                    default="normal",
                    tooltip="How the steps are spread: karras, for one, spends more on details",
                ),
                io.Int.Input(
                    "start_merge_step",
                    default=30,
                    min=-1,
                    max=10000,
                    tooltip=(
                        "Lower: more of the face; higher: more of the prompt. Last text-only step, counted from"
                        " 0. -1: facial tokens act in all steps"
                    ),
                ),
                io.Conditioning.Input("positive", tooltip="From Inject Facial Tokens"),
                io.Conditioning.Input("negative", tooltip="From Inject Facial Tokens"),
                io.Latent.Input("latent_image", tooltip="Empty, or the latent of a picture for image to image"),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Lower: more of the given picture is kept; 1 forgets it",
                ),
            ],
            outputs=[io.Latent.Output("latent", display_name="latent", tooltip="For VAE Decode")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        start_merge_step: int,
        positive: list,
        negative: list,
        latent_image: dict,
        denoise: float,
    ) -> io.NodeOutput:
        from nodes import common_ksampler  # pyright: ignore[reportAttributeAccessIssue] ComfyUI's nodes.py

        if not (has_adapter(model) or has_identity_hook(positive)):
            raise IncompatibleModelError(
                "This MODEL has no ConsistentID adapter, so there is no merge point. Connect 'Apply ConsistentID', "
                "or give positive the hooks of 'Hook ConsistentID'."
            )
        if start_merge_step >= steps - 1:
            logging.warning(
                "ConsistentID Sampler: facial tokens never act, since start_merge_step %d is not below the last of %d "
                "steps. Published: 30 of 50.",
                start_merge_step,
                steps,
            )
        require_finite(cfg=cfg, denoise=denoise)
        positive, negative = (set_merge_step(cond, start_merge_step) for cond in (positive, negative))
        (latent,) = common_ksampler(
            model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise
        )
        check_latent(latent["samples"])
        return io.NodeOutput(latent)


def check_latent(samples) -> None:
    """ConsistentIDError for what would be decoded to a black picture."""
    if isinstance(samples, Tensor) and not is_finite(samples):
        raise ConsistentIDError(
            "The model drew values that are no numbers (NaN), which would be a black picture. Start ComfyUI with "
            "--force-fp32 or --fp32-unet, lower cfg, or load the checkpoint again: it may be damaged."
        )


def has_identity_hook(conditioning: list) -> bool:
    """Whether hooks of 'Hook ConsistentID', which place the merge point as 'Apply ConsistentID' does, are there."""
    groups = [values["hooks"] for _, values in conditioning if values.get("hooks")]
    return any(isinstance(hook, IdentityHook) for group in groups for hook in group.hooks)


def set_merge_step(conditioning: list, step: int) -> list:
    """The conditioning with its merge point at a step instead of a fraction."""
    return [
        entry
        if STAGE not in entry[1]
        else node_helpers.conditioning_set_values([entry], {STAGE: {**entry[1][STAGE], "step": step}})[0]
        for entry in conditioning
    ]
