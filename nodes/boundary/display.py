"""What a run tells the editor: plain data that the files in js/ read, and pictures in ComfyUI's temp folder."""

from collections.abc import Sequence

import numpy as np
import torch
from comfy_api.latest import ui
from PIL import Image
from torch import Tensor

from ...consistentid.face.face import Face
from ...consistentid.face.framing import holds_middle
from ...consistentid.face.preview import FACE_COLOURS, find_region_colour
from ...consistentid.face.region_words import REGION_WORDS
from ...consistentid.face.regions import Regions
from ...consistentid.face.selection import rank_faces
from ...consistentid.prompt.align import FacialPrompt
from ...consistentid.prompt.mark import MARKER, split_last_word
from .layout import make_preview

PICTURE_PX = 768
MARGIN = 0.15  # around the regions, of their longer side
OPACITY = 0.6


def show_faces(photo: np.ndarray, faces: Sequence[Face]) -> dict:
    """A photo with its faces from left to right, and {selection: their numbers in that order}."""
    height, width = photo.shape[:2]
    faces, orders = rank_faces(list(faces), photo)
    boxes = [np.clip(face.box / [width, height, width, height], 0, 1).tolist() for face in faces]
    return {
        "picture": _save_pictures(make_preview(photo, side_px=PICTURE_PX))[0],
        "ratio": width / height,
        "faces": [
            {"box": box, "about": _describe_face(face), "half": not holds_middle(photo, face.box)}
            for box, face in zip(boxes, faces, strict=True)
        ],
        "orders": orders,
        "colours": [_write_colour(colour) for colour in FACE_COLOURS],
    }


def show_regions(regions: Regions, wanted: Sequence[str]) -> dict:
    """The part of a photo with its regions, and a layer in colour for each. wanted: keys that were looked for."""
    keys = list(regions.masks)
    photo = make_preview(regions.photo)
    size = (photo.shape[2], photo.shape[1])
    masks = make_preview(*(np.asarray(Image.fromarray(mask).resize(size)) for mask in regions.masks.values()))
    rows, columns = _find_part(masks)
    planes = _shrink(torch.cat([photo[0].movedim(-1, 0), masks])[:, rows, columns])
    photo, masks = planes[:3].movedim(0, -1), planes[3:]
    paint = torch.tensor([find_region_colour(key) for key in keys])[:, None, None] / 255
    layers = torch.cat([paint.expand(*masks.shape, 3), masks[..., None] * OPACITY], -1)
    whole = torch.cat([photo, torch.ones_like(photo[..., :1])], -1)
    picture, *pictures = _save_pictures(torch.cat([whole[None], layers]))
    found = {REGION_WORDS[key]: value for key, value in zip(keys, pictures, strict=True)}
    colours = {REGION_WORDS[key]: _write_colour(find_region_colour(key)) for key in reversed(wanted)}
    legend = [
        {"word": word, "colour": colours[word], "picture": found.get(word)}
        for word in dict.fromkeys(REGION_WORDS[key] for key in wanted)
    ]
    return {"picture": picture, "ratio": photo.shape[1] / photo.shape[0], "regions": legend}


def show_prompt(composed: FacialPrompt, count: int, report: str, unknown: Sequence[str] = ()) -> dict:
    """The prompt in parts: text, and words that a facial token was injected into. count: of the tokens; unknown: words
    that the model does not know."""
    *before, last = composed.marked.split(MARKER)
    parts = []
    for number, text in enumerate(before[:count]):
        start, word, rest = split_last_word(text)
        key = composed.regions[number] if number < len(composed.regions) else None
        owner = composed.letters[number] if key else ""
        parts += [{"text": start}, {"text": word, **_describe_token(key, owner)}, {"text": rest.removesuffix(" ")}]
    parts.append({"text": "".join([*before[count:], last])})
    return {"parts": [part for part in parts if part["text"]], "report": report, "unknown": list(unknown)}


def _describe_token(key: str | None, owner: str) -> dict:
    if key is None:
        return {"about": "facial token of no region", "colour": "#808080"}
    whose = f" of {owner}" if owner else ""
    return {
        "about": f"facial token of the {REGION_WORDS[key]}{whose}",
        "colour": _write_colour(find_region_colour(key)),
    }


def _describe_face(face: Face) -> str:
    words = [f"score {face.score:.2f}", *([face.gender] if face.gender else [])]
    return ", ".join(words + ([] if face.age is None else [f"about {face.age} years"]))


def _find_part(masks: Tensor) -> tuple[slice, slice]:
    """Rows and columns that hold all regions and a margin; all of them where regions are too small to be seen."""
    seen = (masks > 0.5).any(0)
    if not seen.any():
        return slice(None), slice(None)
    places = [seen.any(axis).nonzero().flatten() for axis in (1, 0)]
    spans = [(int(place[0]), int(place[-1]) + 1) for place in places]
    margin = round(MARGIN * max(end - start for start, end in spans))
    rows, columns = (slice(max(0, start - margin), end + margin) for start, end in spans)
    return rows, columns


def _shrink(planes: Tensor) -> Tensor:
    """[N, H, W], its longer side at most PICTURE_PX."""
    scale = PICTURE_PX / max(planes.shape[1:])
    if scale >= 1:
        return planes
    size = [max(1, round(side * scale)) for side in planes.shape[1:]]
    return torch.nn.functional.interpolate(planes[None], size, mode="area")[0]


def _save_pictures(images: Tensor) -> list[dict]:
    """What the editor asks /view for: filename, subfolder and type of each picture."""
    return ui.PreviewImage(images).values


def _write_colour(colour: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*map(int, colour))
