"""Regions by hand: masks that replace, extend or take away what a face parser found, and the frame of a photo."""

from dataclasses import replace

import numpy as np
from PIL import Image

from ..errors import ConsistentIDError
from .face import Face, check_same_photo
from .framing import choose_frame
from .region_words import REGION_WORDS
from .regions import Regions

MODES = ("replace", "add", "remove")


def edit_region(regions: Regions, word: str, mode: str, mask: np.ndarray | None = None) -> Regions:
    """New Regions with the region of a word changed; the others, the photo and the frame stay.

    word: a value of REGION_WORDS. mode: "replace" the region by the mask, "add" the mask to it, "remove" the mask from
    it, or the whole region without a mask. mask: uint8 [h, w], 0..255, of the whole photo, stretched to its size.
    """
    keys = [key for key in REGION_WORDS if REGION_WORDS[key] == word]
    if not keys or mode not in MODES:
        raise ConsistentIDError(
            f"Unknown edit '{mode}' of '{word}'; choose {', '.join(MODES)}, and one of "
            f"{', '.join(dict.fromkeys(REGION_WORDS.values()))}."
        )
    present = [key for key in keys if key in regions.masks]
    masks = {key: mask for key, mask in regions.masks.items() if key not in present}
    if mode == "remove" and not present:
        found = ", ".join(dict.fromkeys(REGION_WORDS[key] for key in masks)) or "none"
        raise ConsistentIDError(f"There is no region '{word}' to remove from; there are: {found}.")
    before = [regions.resize_mask(key) for key in present]
    changed = _change_mask(before, mode, _fit_mask(mask, mode, regions.photo))
    if changed is not None:
        masks[[*present, *keys][0]] = changed
    if not masks:
        raise ConsistentIDError(f"Without '{word}' no region is left. Draw another one first.")
    ordered = {key: masks[key] for key in REGION_WORDS if key in masks}
    drawn = ", ".join(filter(None, (regions.notes.get("drawn by hand"), word)))
    return replace(regions, masks=ordered, notes={**regions.notes, "drawn by hand": drawn})


def frame_head(regions: Regions, face: Face | None) -> tuple[Regions, str]:
    """Regions framed for a face, unless they are framed already, and what is to be told of it.

    ConsistentIDError for a face of another photo.
    """
    if face is None:
        return regions, ""
    check_same_photo(face, regions.photo)
    if regions.frame is not None:
        return regions, " CLIP sees the frame chosen before."
    frame, sentence = choose_frame(regions.photo, face.box, eyes=regions.find_mask("eyes"))
    return replace(regions, frame=frame), f" {sentence}"


def _change_mask(before: list[np.ndarray], mode: str, mask: np.ndarray | None) -> np.ndarray | None:
    """The mask of a region after an edit; None when it is gone. before: the masks its parts have now, often one."""
    if mask is None or mode == "replace":
        return mask
    if mode == "add":
        return np.maximum.reduce([*before, mask])
    left = np.minimum(np.maximum.reduce(before), 255 - mask)
    return left if left.max() > 127 else None


def _fit_mask(mask: np.ndarray | None, mode: str, photo: np.ndarray) -> np.ndarray | None:
    if mask is None:
        if mode == "remove":
            return None
        raise ConsistentIDError(f"To {mode} a region a mask is needed: draw one over the photo and connect it.")
    fitted = Image.fromarray(mask).resize((photo.shape[1], photo.shape[0]), Image.Resampling.BILINEAR)
    if not fitted.getbbox():
        raise ConsistentIDError(
            f"The mask ({mask.shape[1]}x{mask.shape[0]}) is empty. Paint the region in the mask editor; a picture "
            "without transparency has an empty mask."
        )
    return np.asarray(fitted)
