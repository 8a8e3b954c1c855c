"""What is known of a person: ID embedding, CLIP features of the photo and of its regions, a caption."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..errors import CaptionError, ConsistentIDError
from ..face.face import Face, check_same_photo
from ..face.photo import hash_photo
from ..face.region_words import REGION_WORDS
from ..face.regions import Regions
from ..face.thumbnail import make_thumbnail
from ..finite import is_finite

HIGHEST_STRENGTH = 2.0
LONGEST_CAPTION = 100_000
"""Letters; a captioner asked for its longest answer gives about a tenth of that."""


@dataclass(frozen=True, eq=False)
class Identity:
    """One person, ready for any prompt and for either base model; treat it as immutable.

    photo_features, zero_features: [257, 1280], CLIP ViT-H penultimate hidden states of the photo and of all-zero
    pixel values; of the shape of the image encoder, where it is another. region_features: {region key: [257, 1280]}.
    id_embedding: [512] of unit length, or None when there is none. caption: "" for the fixed sentence.
    quality: of the detected face, 0..1 (see Face.quality). strengths: {region key: 0..2} of facial tokens, 1 where
    nothing is said. thumbnail: RGB uint8 [h, w, 3], at most 128 px. sources: SHA-256 of each photo's pixels.
    notes: what made it, as text.
    """

    photo_features: Tensor
    zero_features: Tensor
    region_features: dict[str, Tensor]
    id_embedding: Tensor | None = None
    caption: str = ""
    quality: float = 0.0
    strengths: dict[str, float] = field(default_factory=dict)
    thumbnail: np.ndarray | None = None
    sources: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[str, ...]:
        """Region keys in the order facial features are stacked in."""
        return tuple(key for key in REGION_WORDS if key in self.region_features)

    @property
    def recogniser(self) -> str:
        """File name of what made the ID embedding; "" without one, or where nobody knows."""
        return "" if self.id_embedding is None else self.notes.get("recogniser", "")

    def find_region(self, word: str) -> str | None:
        """The key of the region that a word such as "eyes" stands for; None when the photo did not show it."""
        return next((key for key in self.regions if REGION_WORDS[key] == word), None)

    def stack_regions(self, keys: tuple[str, ...]) -> Tensor:
        """Features [R, 257, 1280] of the given regions, then of zero pixels."""
        return torch.stack([*(self.region_features[key] for key in keys), self.zero_features])

    def describe(self) -> str:
        """A few lines for people."""
        words = [f"{REGION_WORDS[key]} ({self.strengths.get(key, 1.0):g})" for key in self.regions]
        lines = [
            f"Photos: {len(self.sources)}, quality {self.quality:.2f}.",
            f"ID embedding: {'none' if self.id_embedding is None else 'yes'}.",
            f"Regions with strength: {', '.join(words) or 'none'}.",
            f"Caption: {self.caption or 'the fixed sentence'}",
        ]
        return "\n".join(lines + [f"{name}: {text}" for name, text in self.notes.items()])


def check_caption(caption: str) -> None:
    """CaptionError for one that is longer than a description of a face can be."""
    if len(caption) > LONGEST_CAPTION:
        raise CaptionError(
            f"The caption has {len(caption):,} letters, at most {LONGEST_CAPTION:,} are taken: '{caption[:60]}...'. "
            "Say what face, ears, eyes, nose and mouth look like, and no more."
        )


def build_identity(regions: Regions, face: Face | None, features: Tensor, zero: Tensor, caption: str = "") -> Identity:
    """The person in a photo.

    features: [1 + R, 257, 1280] of the photo and of its regions, as CLIP sees them; zero: those of zero pixels.
    face: None, or one without an ID embedding, is known less of. ConsistentIDError when it is of another photo.
    """
    check_same_photo(face, regions.photo)
    check_caption(caption.strip())
    if not is_finite(features) or not is_finite(zero):
        raise ConsistentIDError(
            "The image encoder gives features that hold no numbers (NaN). Its file may be damaged, or it runs in a "
            "precision that it does not bear: load it again, in float32 if need be."
        )
    source = face.photo if face and face.photo else hash_photo(regions.photo)
    notes = {"pack version": __version__, **regions.notes}
    embedding = None
    if face is not None and face.id_embedding is not None:
        embedding = torch.from_numpy(face.id_embedding)
        notes["recogniser"] = face.recogniser
    return Identity(
        photo_features=features[0],
        zero_features=zero,
        region_features=dict(zip(regions.masks, features[1:], strict=True)),
        id_embedding=embedding,
        caption=caption.strip(),
        quality=float(face.quality) if face else 0.0,
        thumbnail=make_thumbnail(regions.photo, face.box if face else None),
        sources=(source,),
        notes=notes,
    )
