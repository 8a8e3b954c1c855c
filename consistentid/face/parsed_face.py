"""From a photo to its regions: parsed around the face, and mapped back to the photo."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import FaceNotFoundError
from ..ports import FaceParser
from .framing import Square, choose_frame, crop_square, place_mask, surround_head
from .landmark_regions import add_missing
from .neighbours import keep_own
from .region_words import REGION_LABELS
from .regions import Regions, select_regions


@dataclass(frozen=True, eq=False)
class ParsedFace:
    """The regions of a photo and how they were found.

    labels: uint8 [side, side]. square: the part of the photo they belong to, None for the whole, squashed to a square.
    framing: what CLIP sees of the photo, and whether other faces were in the way, in words.
    """

    regions: Regions
    labels: np.ndarray
    square: Square | None
    framing: str

    def map_labels(self) -> np.ndarray:
        """The label map of the whole photo, [H, W]; background outside the parsed square."""
        if self.square is None:
            return self.labels
        return place_mask(self.labels, self.square, self.regions.photo, smooth=False)


def parse_regions(
    parser: FaceParser,
    photo: np.ndarray,
    side_px: int = 512,
    box: np.ndarray | None = None,
    framing: str = "auto",
    unite_pairs: bool = False,
    extra: Collection[str] = (),
    others: Sequence[np.ndarray] = (),
    landmarks: np.ndarray | None = None,
) -> ParsedFace:
    """Regions of an RGB photo [H, W, 3], parsed in a square around the face box, or as a whole without one.

    framing: see choose_frame; unite_pairs, extra: see select_regions. others: boxes of the other faces in the photo,
    whose regions are left out, see keep_own. landmarks: [5, 2] of the face, for eyes and mouth that the parser does not
    find, see add_missing. FaceNotFoundError if no region is found.
    """
    square = None if box is None else surround_head(photo, box)
    parsed = parser.parse(photo if square is None else crop_square(photo, square), side_px)
    own = parsed if square is None or box is None else keep_own(parsed, square, box, others)
    labels, added = (own, ()) if square is None or landmarks is None else add_missing(own, square, landmarks)
    masks = select_regions(labels, unite_pairs, extra)
    if square is not None:
        placed = {key: place_mask(mask, square, photo) for key, mask in masks.items()}
        masks = {key: mask for key, mask in placed.items() if mask.max() > 127}
    if not masks.keys() & REGION_LABELS.keys():
        place = f"around the face at {square}" if square else "in the photo"
        raise FaceNotFoundError(
            f"The face parser found no face, eyes, ears, nose or mouth {place} ({photo.shape[1]}x{photo.shape[0]}). "
            "Use a sharper, frontal photo, or crop it to head and shoulders."
        )
    way = f"{parser.source}, {side_px} px, {'around the face' if square else 'whole photo'}"
    by_landmarks = f"{' and '.join(added)} from the landmarks" if added else ""
    regions = Regions(photo, masks, notes={"regions": f"{way}, {by_landmarks}" if added else way})
    frame, sentence = choose_frame(photo, box, framing, regions.find_mask("eyes"))
    if added:
        sentence += f" {by_landmarks.capitalize()}: the parser found none."
    if not np.array_equal(own, parsed):
        sentence += " What belongs to other faces was left out."
    return ParsedFace(replace(regions, frame=frame), labels, square, sentence)
