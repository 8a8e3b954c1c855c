"""Sample sheets: what is trained draws so far, beside the photos it draws from."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..attention_sheet import draw_regions_heat
from ..contact_sheet import draw_contact_sheet
from ..dataset.people import spread_people
from ..dataset.record import StoredRecord
from ..face.regions import Regions
from ..headless.attention_maps import RecordedRun
from ..headless.clip_vision import ClipVision
from ..headless.conditioning import Conditioning, encode_prompt, make_stage
from ..headless.pipeline import Sampling, sample, set_scheduler
from ..identity import Identity
from ..identity.encode import encode_identity
from ..prompt.compose import compose_for_identity
from .assembly import Run
from .config import MappingConfig
from .mapping import TrainedMapping
from .model import TrainedAdapter
from .samples import Pixels, read_sample
from .text import mark_plain
from .words import put_word

MERGE_AT = 0.6


class SheetMaker:
    """Draws people of a training set, the first of each, with every prompt, always from the same noise.

    The run is left as found, but for its pipeline's scheduler.
    """

    def __init__(self, run: Run):
        self.run, self.model = run, cast(TrainedAdapter, run.model)
        records = spread_people(run.samples.records)[: run.config.sheet_people]
        self.people = [self._encode_person(record) for record in records]
        set_scheduler(run.pipeline, "euler")
        run.pipeline.set_progress_bar_config(disable=True)

    def draw(self) -> Image.Image:
        """For each person the photo, then a picture for each prompt, and in colours which region's facial tokens it
        looked at where (see draw_regions_heat)."""
        self.model.maps.rest()
        cells = []
        with torch.no_grad(), self.run.accelerator.autocast():
            for photo, identity in self.people:
                cells.append(("photo", photo))
                for prompt in self.run.config.sheet_prompts:
                    cells += self._draw_portrait(identity, prompt)
        return draw_contact_sheet(cells, 1 + 2 * len(self.run.config.sheet_prompts))

    def _draw_portrait(self, identity: Identity, prompt: str) -> list[tuple[str, Image.Image]]:
        clip, adapter, config = self.run.frozen.clip, self.model.adapter, self.run.config
        composed = compose_for_identity(prompt, "", identity, adapter.config, clip, config.alignment)
        conditioning = encode_prompt(clip, adapter, identity, composed)
        side, guidance = config.resolution, adapter.config.guidance
        sampling = Sampling(config.sheet_steps, guidance, side, side, MERGE_AT, (config.seed,))
        pipeline = self.run.pipeline
        run = RecordedRun(self.model.installed, conditioning.tokens, sampling, pipeline.vae_scale_factor)
        picture = sample(pipeline, conditioning, sampling, callback_on_step_end=run)[0]
        maps = {region: steps.mean(0) for region, steps in run.read()[0].maps.items()}
        heat = [("attention by region", draw_regions_heat(picture, maps))] if maps else []
        return [(prompt, picture), *heat]

    def _encode_person(self, record: StoredRecord) -> tuple[Image.Image, Identity]:
        config, encoder = self.run.config, ClipVision(self.run.frozen.clip_vision)
        read = read_sample(record, 0, config.resolution, config.unite_pairs, words=config.regions)
        pixels = cast(Pixels, read.pixels)  # they are there where nothing is cached
        photo = show_pixels(pixels.image)
        regions = Regions(np.asarray(photo), {key: mask.numpy() for key, mask in read.masks.items()})
        identity = encode_identity(regions, None, encoder, read.facial_caption)
        embedding = read.id_embedding if read.id_embedding.any() else None
        return photo, replace(identity, id_embedding=embedding)


class WordSheetMaker:
    """The same of a mapping network; people with the neutral expression."""

    def __init__(self, run: Run):
        self.run, self.model = run, cast(TrainedMapping, run.model)
        records = run.samples.records
        people = spread_people(records)[: run.config.sheet_people]
        self.people = [run.samples.read(records.index(record), 0) for record in people]
        set_scheduler(run.pipeline, "euler")
        run.pipeline.set_progress_bar_config(disable=True)

    def draw(self) -> Image.Image:
        cells = []
        self.model.mapping.eval()
        with torch.no_grad(), self.run.accelerator.autocast():
            for person in self.people:
                cells.append(("photo", show_pixels(person.image)))
                features = person.features[None].to(self.run.frozen.device)
                vectors = self.model.mapping(features)[0].float()
                cells += [(prompt, self._draw(vectors, prompt)) for prompt in self.run.config.sheet_prompts]
        self.model.mapping.train()
        return draw_contact_sheet(cells)

    def _draw(self, vectors: Tensor, prompt: str) -> Image.Image:
        clip, config = self.run.frozen.clip, cast(MappingConfig, self.run.config)
        texts = [mark_plain(clip, text).ids[0] for text in (put_word(prompt, config.class_words), "")]
        positive, negative = clip.encode_ids([texts], vectors)[0].cpu().split(1)
        stage, side = make_stage(positive, negative, None, None), config.resolution
        sampling = Sampling(config.sheet_steps, self.run.base.guidance, side, side, MERGE_AT, (config.seed,))
        return sample(self.run.pipeline, Conditioning(stage, stage), sampling)[0]


def make_sheets(run: Run) -> "SheetMaker | WordSheetMaker":
    return WordSheetMaker(run) if isinstance(run.config, MappingConfig) else SheetMaker(run)


def show_pixels(pixels: Tensor) -> Image.Image:
    """[3, S, S] in -1..1 as a picture."""
    return Image.fromarray(((pixels.permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8))
