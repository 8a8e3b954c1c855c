"""Where facial tokens acted, as pictures: heat over the picture for each region and step, or all regions in one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .adapter.attention_maps import RegionMaps
from .contact_sheet import DARK, draw_contact_sheet
from .errors import ConsistentIDError
from .face.preview import find_region_colour
from .face.region_words import REGION_WORDS

CELL_PX = 288
STEPS = 3
# Corner colours of matplotlib's "inferno" (CC0): equal steps look equally large.
_INFERNO = np.array(
    [
        *((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99)),
        *((212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164)),
    ]
)
_FAINT, _STRONG = 0.45, 0.9
"""Opacity of no and of the most attention."""
_CONTRAST = 40  # so that regions which differ little still part
_STYLE = replace(DARK, gap=6)

Cell = tuple[str, Image.Image]
"""A title and a picture."""
_NOTHING: Cell = ("", Image.new("RGB", (1, 1)))


def draw_attention_sheet(
    pictures: Sequence[Image.Image], maps: Sequence[RegionMaps], steps: int = STEPS, titles: Sequence[str] = ()
) -> Image.Image:
    """For each picture, and each person in it: a column for each region, and a row for the mean of its steps and for
    some of them.

    maps, titles: of each picture. steps: how many are shown singly, from the first with facial tokens to the last.
    Colours of a column are on one scale; titles say how much of a pixel's attention the region gets at most.
    ConsistentIDError where no facial token acted in a picture.
    """
    if not all(own.maps for own in maps):
        raise ConsistentIDError(
            "No facial token acted while a picture was drawn. Lower the merge point, or raise the number of steps."
        )
    shown = zip(titles or ["the picture"] * len(pictures), pictures, strict=True)
    people = [(cell, one) for cell, own in zip(shown, maps, strict=True) for one in _split_people(own)]
    rows = [row for cell, own in people for row in _list_rows(cell, own, steps)]
    columns = max(map(len, rows))
    cells = [cell for row in rows for cell in (*row, *[_NOTHING] * (columns - len(row)))]
    inks = {place: _find_ink(title.partition(",")[0]) for place, (title, _) in enumerate(cells) if ": up" in title}
    width, height = pictures[0].size
    scale = CELL_PX / (width * height) ** 0.5
    return draw_contact_sheet(cells, columns, _STYLE, inks, (round(width * scale), round(height * scale)))


def choose_steps(steps: Sequence[int], count: int) -> list[int]:
    """Evenly, with the first and the last; of one, the last.

    >>> choose_steps(range(16, 26), 3)
    [16, 20, 25]
    """
    places = np.linspace(0, len(steps) - 1, min(count, len(steps))).astype(int) if count > 1 else [-1][:count]
    return [steps[place] for place in places]


def draw_heat(picture: Image.Image, heat: Tensor) -> Image.Image:
    """One map [h, w], 0..1, over the picture in grey."""
    share = _fit(heat, picture)
    places = np.linspace(0, 1, len(_INFERNO))
    colours = np.stack([np.interp(share, places, channel) for channel in _INFERNO.T], axis=-1)
    return _blend(picture, colours, _FAINT + (_STRONG - _FAINT) * share)


def draw_regions_heat(picture: Image.Image, maps: dict[str, Tensor]) -> Image.Image:
    """Maps [h, w] of all regions over the picture in grey: each place in the colour of the region that is nearest to
    its own most there, the stronger the nearer."""
    shares = np.stack([_fit(heat / heat.max().clamp_min(1e-12), picture) for heat in maps.values()])
    colours = np.stack([find_colour(region) for region in maps])
    weights = (shares / shares.max(0).clip(1e-12)) ** _CONTRAST
    mixed = np.tensordot(weights, colours, axes=(0, 0)) / weights.sum(0).clip(1e-12)[..., None]
    return _blend(picture, mixed, _STRONG * shares.max(0))


def find_colour(region: str) -> tuple[int, int, int]:
    """RGB of a region by its word, that of its first key; the letter of a person before it does not matter."""
    word = region.rpartition(" ")[2]
    return find_region_colour(next(key for key, name in REGION_WORDS.items() if name == word))


def _split_people(own: RegionMaps) -> list[RegionMaps]:
    letters = dict.fromkeys(region.rpartition(" ")[0] for region in own.maps)
    groups = ({key: maps for key, maps in own.maps.items() if key.rpartition(" ")[0] == letter} for letter in letters)
    return [replace(own, maps=maps) for maps in groups]


def _find_ink(region: str) -> tuple[int, int, int]:
    """Its colour, light enough to be read on black."""
    red, green, blue = (channel // 2 + 127 for channel in find_colour(region))
    return red, green, blue


def _list_rows(whole: Cell, own: RegionMaps, count: int) -> list[list[Cell]]:
    """The mean of all steps, then some of them; on the left the picture, and all regions in one."""
    shown = _choose_maps(own, count)
    most = {region: max(float(heats[region].max()) for heats in shown.values()) for region in own.maps}
    rows, (_, picture) = [], whole
    for when, heats in shown.items():
        mixed = (f"all regions, {when}", draw_regions_heat(picture, heats))
        titles = [f"{region}, {when}: up to {float(heat.max()):.1%}" for region, heat in heats.items()]
        drawn = [draw_heat(picture, heat / max(most[region], 1e-12)) for region, heat in heats.items()]
        start = [mixed] if rows else [whole, mixed] if len(shown) == 1 else [whole]
        rows.append([*start, *zip(titles, drawn, strict=True)])
    return rows


def _choose_maps(own: RegionMaps, count: int) -> dict[str, dict[str, Tensor]]:
    """{which steps: {region: map [h, w]}}: their mean, then `count` single ones where there are several."""
    first, last = own.steps[0], own.steps[-1]
    if first == last:
        return {f"step {last} of {own.count}": {region: maps[0] for region, maps in own.maps.items()}}
    shown = {f"mean of steps {first} to {last}": {region: maps.mean(0) for region, maps in own.maps.items()}}
    for step in choose_steps(own.steps, count):
        place = own.steps.index(step)
        shown[f"step {step} of {own.count}"] = {region: maps[place] for region, maps in own.maps.items()}
    return shown


def _fit(heat: Tensor, picture: Image.Image) -> np.ndarray:
    """At the size of the picture, smoothly, [H, W]."""
    size = (picture.height, picture.width)
    return F.interpolate(heat[None, None].float(), size, mode="bicubic")[0, 0].clamp(0, 1).numpy()


def _blend(picture: Image.Image, colours: np.ndarray, opacity: np.ndarray) -> Image.Image:
    grey = np.asarray(picture.convert("L"), dtype=float)[..., None]
    mixed = grey + (colours - grey) * opacity[..., None]
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))
