"""Schematics of what workflows read of one person. Each function is called as its workflow and draws on a tile."""

import numpy as np
from PIL import Image

from consistentid.face.preview import draw_labels
from zoo.drawn_faces import describe_features, sample_person

from .people import BLUE, FAIR, GREY, LONG, PINK, SHORT, draw_head, show, show_head, show_result
from .tile import ACCENT, INK, OTHER, PAPER, Tile, find_width, wrap

PHOTO, WIDE = (98, 218), 156
"""Where the photo is, and how wide."""
BESIDE, ONTO = (186, 218), (246, 218)
"""Its arrow."""


def make_portrait(tile: Tile, who: int, scene: int, **changes) -> None:
    """A photo, and the person elsewhere."""
    tile.fill(show_result(who, scene, **changes))
    tile.circle(show_head(who), PHOTO, WIDE)
    tile.arrow(BESIDE, ONTO)


def portrait_simple(tile: Tile) -> None:
    make_portrait(tile, LONG, 2, background="forest", hat="none", expression="smiling")


def portrait(tile: Tile, base: str = "") -> None:
    """With regions in the photo."""
    who = LONG if not base else FAIR
    tile.fill(show_result(who, 3, background="library" if not base else "sunset", hat="none", expression="smiling"))
    head = draw_head(who)
    tile.circle(Image.fromarray(draw_labels(head.image, _keep_face(head.labels), 0.7)), PHOTO, WIDE)
    tile.arrow(BESIDE, ONTO)
    if base:
        tile.pill((24, 92), base, ACCENT, 26)


def portrait_sdxl(tile: Tile) -> None:
    portrait(tile, "SDXL")


def several_photos(tile: Tile) -> None:
    tile.fill(show_result(SHORT, 6, x=0.7, hat="none", expression="smiling"))
    for number, (y, changes) in enumerate(((100, {"yaw": -18}), (198, {}), (296, {"yaw": 18, "light": "evening"}))):
        wall = ("teal", "orange", "purple")[number]
        tile.circle(show_head(SHORT, backdrop_colour=wall, **changes), (76 + 46 * (number == 1), y), 104)
    tile.arrow((186, 198), ONTO)


def identity_card(tile: Tile) -> None:
    tile.fill(show_result(GREY, 6, x=0.7, background="space", hat="none"))
    tile.panel((28, 108, 212, 250), INK, 14)
    tile.fill(show_head(GREY), (42, 124, 118, 214), 8)
    for y, wide in ((136, 60), (158, 46), (180, 60), (202, 34)):
        tile.panel((132, y - 5, 132 + wide, y + 5), "#c9c2d2", 5)
    tile.write((42, 224), "identity", 17, PAPER)
    tile.dot((190, 232), ACCENT, 16)
    tile.arrow((222, 180), (268, 180))


def caption_llava(tile: Tile) -> None:
    tile.fill(show_result(SHORT, 1, x=0.72, hat="none"))
    tile.circle(show_head(SHORT), (98, 250), 150)
    tile.panel((22, 92, 286, 162), INK, 16)
    tile.line([(90, 160), (98, 174)], INK, 12)
    words = describe_features(sample_person(SHORT, held_out=True))
    for line, y in zip(wrap(words, 21, 238), (102, 129), strict=False):
        tile.write((36, y), line, 21, PAPER)
    tile.arrow((184, 250), (252, 250))


def likeness(tile: Tile) -> None:
    tile.panel((0, 0, 512, 352), "#2a2830", 0)
    for number, (share, changes) in enumerate(((0.45, {"expression": "surprised"}), (0.9, {}), (0.65, {"yaw": 20}))):
        left, best = 22 + 162 * number, number == 1
        box = (left, 90, left + 144, 268)
        tile.fill(
            show(BLUE, 5, hat="none", **{"background": "snow", "size": 0.56, "centre": (0.5, 0.5)} | changes), box, 12
        )
        tile.panel((left, 286, left + 144, 306), "#4a4653", 10)
        tile.panel((left, 286, left + 144 * share, 306), ACCENT if best else "#908a9a", 10)
        if best:
            tile.frame(box, ACCENT, 7, 12)


def without_insightface(tile: Tile) -> None:
    tile.fill(show_result(PINK, 2, x=0.72, size=0.44, background="garden", hat="none", expression="smiling"))
    tile.fill(show_head(PINK), (20, 100, 190, 330), 12, INK)
    for box in ((58, 200, 101, 232), (108, 200, 151, 232), (90, 236, 120, 262), (78, 264, 132, 286)):
        tile.frame(box, OTHER, 4, 6)
    tile.arrow((200, 218), ONTO)


def face2diffusion(tile: Tile, with_regions: bool = False) -> None:
    """The person as a word of the prompt."""
    who, scene = (GREY, 2) if with_regions else (PINK, 1)
    place = "beach" if with_regions else "snow"
    tile.fill(show_result(who, scene, x=0.72, background=place, hat="none", expression="smiling"))
    head = draw_head(who)
    picture = draw_labels(head.image, _keep_face(head.labels), 0.7) if with_regions else head.image
    tile.circle(Image.fromarray(picture), (98, 168), 150)
    tile.arrow((98, 236), (98, 282), width=8)
    words = f"f l  {'on a beach' if with_regions else 'in the snow'}"
    tile.panel((18, 284, 40 + find_width(words, 28) + 18, 336), INK, 14)
    tile.panel((30, 292, 46 + find_width("f l", 28), 328), ACCENT, 8)
    tile.write((38, 310), "f l", 28, INK, "lm", 0.5)
    tile.write((38 + find_width("f l  ", 28) + 4, 310), words[5:], 28, PAPER, "lm")


def face2diffusion_with_consistentid(tile: Tile) -> None:
    face2diffusion(tile, True)


def _keep_face(labels: np.ndarray) -> np.ndarray:
    """Eyes, ears, nose, mouth alone, of CelebAMask-HQ's labels."""
    return np.where(np.isin(labels, (4, 5, 7, 8, 10, 11, 12, 13)), labels, 0).astype(np.uint8)
