"""Sample sheets: what the adapter draws so far, beside the photos it draws from."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from PIL import Image

from ..attention_sheet import draw_regions_heat
from ..contact_sheet import draw_contact_sheet
from ..dataset.records import Record
from ..face.regions import Regions
from ..headless.attention_maps import RecordedRun
from ..headless.clip_vision import ClipVision
from ..headless.conditioning import encode_prompt
from ..headless.pipeline import Sampling, sample, set_scheduler
from ..identity import Identity
from ..identity.encode import encode_identity
from ..prompt.compose import compose_for_identity
from .assembly import Run
from .samples import Pixels, read_sample

MERGE_AT = 0.6


class SheetMaker:
    """Draws the first people of a training set with every prompt, always from the same noise.

    The run is left as found, but for its pipeline's scheduler.
    """

    def __init__(self, run: Run):
        self.run = run
        records = run.samples.records[: run.config.sheet_people]
        self.people = [self._encode_person(record) for record in records]
        set_scheduler(run.pipeline, "euler")
        run.pipeline.set_progress_bar_config(disable=True)

    def draw(self) -> Image.Image:
        """For each person the photo, then a picture for each prompt, and in colours which region's facial tokens it
        looked at where (see draw_regions_heat)."""
        self.run.model.maps.rest()
        cells = []
        with torch.no_grad(), self.run.accelerator.autocast():
            for photo, identity in self.people:
                cells.append(("photo", photo))
                for prompt in self.run.config.sheet_prompts:
                    cells += self._draw_portrait(identity, prompt)
        return draw_contact_sheet(cells, 1 + 2 * len(self.run.config.sheet_prompts))

    def _draw_portrait(self, identity: Identity, prompt: str) -> list[tuple[str, Image.Image]]:
        clip, adapter, config = self.run.frozen.clip, self.run.model.adapter, self.run.config
        composed = compose_for_identity(prompt, "", identity, adapter.config, clip, config.alignment)
        conditioning = encode_prompt(clip, adapter, identity, composed)
        side, guidance = config.resolution, adapter.config.guidance
        sampling = Sampling(config.sheet_steps, guidance, side, side, MERGE_AT, (config.seed,))
        pipeline = self.run.pipeline
        run = RecordedRun(self.run.model.installed, conditioning.tokens, sampling, pipeline.vae_scale_factor)
        picture = sample(pipeline, conditioning, sampling, callback_on_step_end=run)[0]
        maps = {region: steps.mean(0) for region, steps in run.read()[0].maps.items()}
        heat = [("attention by region", draw_regions_heat(picture, maps))] if maps else []
        return [(prompt, picture), *heat]

    def _encode_person(self, record: Record) -> tuple[Image.Image, Identity]:
        config, encoder = self.run.config, ClipVision(self.run.frozen.clip_vision)
        read = read_sample(record, 0, config.resolution, config.unite_pairs, words=config.regions)
        pixels = cast(Pixels, read.pixels)  # they are there where nothing is cached
        photo = ((pixels.image.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
        regions = Regions(photo, {key: mask.numpy() for key, mask in read.masks.items()})
        identity = encode_identity(regions, None, encoder, read.facial_caption)
        embedding = read.id_embedding if read.id_embedding.any() else None
        return Image.fromarray(photo), replace(identity, id_embedding=embedding)
