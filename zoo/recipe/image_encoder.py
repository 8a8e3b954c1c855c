"""The image encoder: transformers' CLIP, taught to name what it sees of a photo and of its regions."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consistentid.adapter.config import ZOO
from consistentid.face.region_words import EXTRA_LABELS, REGION_WORDS
from consistentid.face.regions import CLIP_MEAN, CLIP_SIZE_PX, CLIP_STD, fit_clip, isolate_region, select_regions

from .augmentation import augment, random_affine
from .fit import find_device, fit
from .pictures import Mixture, Pictures
from .traits import TraitHead, keep_shown, measure_accuracy, measure_trait_loss, read_all_traits

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

WIDTH, PATCH_PX, HEADS = ZOO.sizes.image_width, ZOO.sizes.patch_px, ZOO.sizes.image_heads
LAYERS, INTERMEDIATE, PROJECTION = 4, 384, 64
GRID = CLIP_SIZE_PX // PATCH_PX
DETAIL_PX = 4
"""Photo pixels per side of a pixel that a patch's token has to tell."""
BATCH = 32
"""Photos a step; each gives itself and REGIONS_SHOWN of its regions."""
REGIONS_SHOWN = 2
SMALLEST_PX, LARGEST_PX = 96, 256


class Pupil(nn.Module):
    """An encoder with what it is taught by, which is not kept.

    The penultimate tokens, which the adapter gets, have to tell the traits and the colours of their patch; the
    projection has to tell the traits.
    """

    def __init__(self):
        super().__init__()
        self.encoder = make_image_encoder()
        self.tokens_head, self.projection_head = TraitHead(WIDTH), TraitHead(PROJECTION)
        self.detail = nn.Linear(WIDTH, 3 * (PATCH_PX // DETAIL_PX) ** 2)

    def forward(self, pixels: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Logits from tokens and from the projection; the patches' details as `pool_details` gives them."""
        seen = self.encoder(pixel_values=pixels, output_hidden_states=True)
        tokens = seen.hidden_states[-2]
        return self.tokens_head(tokens), self.projection_head(seen.image_embeds[:, None]), self.detail(tokens[:, 1:])


class PatchConvolution(nn.Conv2d):
    """The same convolution as one product of matrices, of which the gradient is several times faster on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        patches = input.unflatten(3, (GRID, PATCH_PX)).unflatten(2, (GRID, PATCH_PX)).permute(0, 2, 4, 1, 3, 5)
        return F.linear(patches.flatten(3), self.weight.flatten(1)).permute(0, 3, 1, 2)


def make_image_encoder() -> "CLIPVisionModelWithProjection":
    """Of the zoo's size with random weights, in the form that trains fastest on a CPU."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=INTERMEDIATE,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            projection_dim=PROJECTION,
            patch_size=PATCH_PX,
            image_size=CLIP_SIZE_PX,
            hidden_act="gelu",
        )
    )
    embeddings = encoder.vision_model.embeddings
    patches = PatchConvolution(3, WIDTH, PATCH_PX, PATCH_PX, bias=False)
    patches.load_state_dict(embeddings.patch_embedding.state_dict())
    embeddings.patch_embedding = patches
    encoder.set_attn_implementation("eager")
    return encoder


def train_image_encoder(pictures: Pictures | Mixture, rounds: Sequence[int], curves: Path, seed: int = 0) -> Pupil:
    """Trained on photos and regions as an identity shows them to CLIP; the encoder is `.encoder` of the result.

    rounds: steps of each; with every round the learning rate rises and falls again (SGDR, arXiv 1608.03983).
    """
    torch.manual_seed(seed)
    pupil = Pupil().to(find_device())
    targets = read_all_traits(pictures)

    def sample(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        samples = zip(*(_make_sample(pictures, targets, rng) for _ in range(BATCH)), strict=True)
        return tuple(map(np.concatenate, samples))

    def measure_loss(views: Tensor, wanted: Tensor) -> Tensor:
        pixels = normalise(views)
        by_tokens, by_projection, details = pupil(pixels)
        named = measure_trait_loss(by_tokens, wanted) + 0.5 * measure_trait_loss(by_projection, wanted)
        return named + F.mse_loss(details.float(), pool_details(pixels))

    for number, steps in enumerate(rounds):
        name = f"image_encoder_{number}"
        fit(name, pupil, sample, measure_loss, steps, 1e-3, seed + number, curves, weight_decay=0.05)
    return pupil


def write_image_encoder(pupil: Pupil, folder: Path) -> None:
    """The encoder as a folder of transformers, in float16."""
    copy.deepcopy(pupil.encoder).half().save_pretrained(folder)


def _make_sample(
    pictures: Pictures | Mixture, targets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    row = pictures.choose(rng)
    side_px = int(rng.integers(SMALLEST_PX, LARGEST_PX + 1))
    photo, labels = random_affine(pictures.images[row], pictures.labels[row], side_px, rng)
    photo = augment(photo, rng)
    regions = select_regions(labels, bool(rng.random() < 0.5), EXTRA_LABELS)
    keys = rng.choice(list(regions), REGIONS_SHOWN, replace=len(regions) < REGIONS_SHOWN)
    views = [photo, *(isolate_region(photo, regions[key]) for key in keys)]
    shown = [targets[row], *(keep_shown(targets[row], REGION_WORDS[key]) for key in keys)]
    return np.stack([fit_clip(view) for view in views]), np.stack(shown)


def normalise(views: Tensor) -> Tensor:
    """What `fit_clip` gives, uint8 [N, 224, 224, 3], as pixel values float32 [N, 3, 224, 224]."""
    mean, std = (torch.tensor(values, device=views.device) for values in (CLIP_MEAN, CLIP_STD))
    return ((views.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def pool_details(pixels: Tensor) -> Tensor:
    """The patches of pixel values at a DETAIL_PX-th of their size, [N, patches, 3 * 7 * 7]."""
    return F.unfold(F.avg_pool2d(pixels, DETAIL_PX), PATCH_PX // DETAIL_PX, stride=PATCH_PX // DETAIL_PX).mT


@torch.inference_mode()
def measure_image_encoder(pupil: Pupil, pictures: Pictures, side_px: int) -> dict[str, dict[str, float]]:
    """Accuracy by trait of the penultimate tokens, {"photo" or region word: {trait: share}}, of photos at a size."""
    import cv2

    pupil.eval()
    targets = read_all_traits(pictures)
    told: dict[str, list] = {}
    for row in range(len(pictures)):
        photo = cv2.resize(pictures.images[row], (side_px, side_px), interpolation=cv2.INTER_AREA)
        labels = cv2.resize(pictures.labels[row], (side_px, side_px), interpolation=cv2.INTER_NEAREST)
        regions = select_regions(labels, extra=EXTRA_LABELS)
        views = {"photo": photo} | {REGION_WORDS[key]: isolate_region(photo, regions[key]) for key in regions}
        pixels = normalise(torch.from_numpy(np.stack([fit_clip(view) for view in views.values()])))
        logits = [scores.cpu().numpy() for scores in pupil(pixels.to(find_device()))[0]]
        for index, word in enumerate(views):
            shown = targets[row] if word == "photo" else keep_shown(targets[row], word)
            told.setdefault(word, []).append(([scores[index] for scores in logits], shown))
    return {word: _measure(answers) for word, answers in told.items()}


def _measure(answers: list) -> dict[str, float]:
    logits, shown = zip(*answers, strict=True)
    return measure_accuracy([np.stack(scores) for scores in zip(*logits, strict=True)], np.stack(shown))
