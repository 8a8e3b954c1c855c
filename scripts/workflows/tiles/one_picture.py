"""Schematics of how workflows make a picture of one person. Each function is called as its workflow."""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from .one_person import BESIDE, ONTO, PHOTO, WIDE, make_portrait
from .people import FAIR, GREY, LONG, PX, SHORT, draw, show, show_head, show_result
from .tile import ACCENT, INK, OTHER, PAPER, SHADE, Tile


def controlnet(tile: Tile) -> None:
    tile.fill(show_result(FAIR, 0, x=0.7, hat="none", background="mountains", roll=-10, expression="smiling"))
    tile.panel((24, 92, 214, 330), "#0d0c10ee")
    neck, hips = (118, 178), (124, 322)
    for points, colour in (
        ([neck, hips], "#f2c14e"),
        ([(66, 196), neck, (170, 190)], "#4fb3e8"),
        ([(66, 196), (50, 262), (86, 312)], "#5fd07a"),
        ([(170, 190), (192, 250), (176, 312)], "#ef7d57"),
        ([neck, (112, 134)], ACCENT),
    ):
        tile.line(points, colour, 7)
        for point in points:
            tile.dot(point, colour, 15)
    for point in ((112, 134), (100, 124), (124, 122)):
        tile.dot(point, INK, 11)
    tile.circle(show_head(FAIR), (214, 302), 84)
    tile.arrow((226, 200), (278, 200))


def _paint_in(tile: Tile, lines: bool, who: int, scene: int, place: str) -> None:
    """The picture with a hole at the left, the person in it at the right; as lines too."""
    same = {"background": place, "centre": (0.5, 0.5), "size": 0.56, "hat": "none", "texture": 3, "clothes": "suit"}
    before, after = draw(FAIR, scene, **same), draw(who, scene, **same)
    old = Image.fromarray(before.image)
    if lines:
        edges = ImageOps.autocontrast(
            old.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
        )
        lit = edges.point([255 * (value > 24) for value in range(256)]).filter(ImageFilter.MaxFilter(3))
        inner = lit.crop((3, 3, PX - 3, PX - 3))
        old = ImageOps.expand(inner, 3).convert("RGB")
    head = np.asarray(before.labels)
    hole = Image.fromarray(((head > 0) & (head != 16) & (head != 14)).astype(np.uint8) * 255)
    hole = hole.filter(ImageFilter.MaxFilter(25)).filter(ImageFilter.GaussianBlur(2))
    old = Image.composite(Image.blend(old, Image.new("RGB", old.size, ACCENT), 0.78), old, hole)
    tile.fill(old, (0, 0, 255, 352))
    tile.fill(Image.fromarray(after.image), (257, 0, 512, 352))
    tile.circle(show_head(who), (74, 278), 108)
    tile.arrow((226, 176), (294, 176))


def inpaint(tile: Tile) -> None:
    _paint_in(tile, False, LONG, 5, "beach")


def inpaint_controlnet(tile: Tile) -> None:
    _paint_in(tile, True, SHORT, 5, "garden")


def inpaint_controlnet_sdxl(tile: Tile) -> None:
    _paint_in(tile, True, GREY, 4, "sunset")
    tile.pill((24, 92), "SDXL", ACCENT, 26)


def lora_style(tile: Tile) -> None:
    """The picture as a print in few colours, with outlines."""
    drawn = show_result(LONG, 0, background="mountains", hat="none", expression="smiling")
    flat = ImageOps.posterize(drawn.filter(ImageFilter.MedianFilter(9)), 2)
    inks = ImageOps.colorize(flat.convert("L"), "#2b1055", "#fff3d6", "#e54695")
    outline = drawn.convert("L").filter(ImageFilter.GaussianBlur(1.5)).filter(ImageFilter.FIND_EDGES)
    strokes = (
        ImageOps.autocontrast(outline)
        .point([255 * (value > 60) for value in range(256)])
        .filter(ImageFilter.GaussianBlur(0.8))
    )
    inks.paste("#2b1055", mask=strokes)
    tile.fill(inks)
    tile.circle(show_head(LONG), PHOTO, WIDE)
    tile.arrow(BESIDE, ONTO)
    tile.pill((24, 92), "+ style", px=24)


def face_detail(tile: Tile) -> None:
    """A small face of a picture, and the same one large."""
    whole = show(FAIR, 3, background="forest", hat="none", size=0.24, centre=(0.24, 0.45), expression="smiling")
    tile.fill(whole.filter(ImageFilter.GaussianBlur(3)))
    tile.frame((68, 84, 178, 206), ACCENT, 5)
    tile.circle(
        show(FAIR, 3, background="forest", hat="none", size=0.7, centre=(0.5, 0.5), expression="smiling"),
        (368, 186),
        268,
        ACCENT,
    )
    tile.arrow((188, 146), (252, 162))


def upscale(tile: Tile) -> None:
    large = show(GREY, 5, hat="none", background="garden", size=0.5, centre=(0.5, 0.5), expression="smiling")
    tile.fill(
        large.resize((48, 48), Image.Resampling.BICUBIC).resize((PX, PX), Image.Resampling.BICUBIC),
        (26, 170, 176, 330),
        10,
        INK,
    )
    tile.fill(large, (236, 60, 496, 330), 10, INK)
    tile.arrow((184, 196), (228, 196))
    tile.pill((26, 112), "x 1.5", ACCENT, 26)


def few_steps(tile: Tile) -> None:
    picture = np.asarray(show(LONG, 6, hat="none", background="beach", size=0.56, centre=(0.5, 0.5)), np.float32)
    noise = np.random.default_rng(0).normal(128, 60, (PX // 20, PX // 20, 3)).repeat(20, 0).repeat(20, 1)
    for number, share in enumerate((1.0, 0.62, 0.28, 0.0)):
        mixed = Image.fromarray((share * noise + (1 - share) * picture).clip(0, 255).astype(np.uint8))
        tile.fill(mixed, (128 * number, 0, 128 * number + 127, 352))
    tile.panel((20, 282, 492, 332), SHADE, 25)
    for number in range(8):
        tile.dot((52 + 58 * number, 307), ACCENT, 20)
    tile.line([(52, 307), (458, 307)], ACCENT, 4)


def guidance(tile: Tile) -> None:
    make_portrait(tile, SHORT, 4, hat="none", background="library", x=0.74, expression="smiling")
    tile.panel((14, 84, 264, 336), "#1b1a1fee", 14)
    for number, (name, share) in enumerate((("guidance", 0.6), ("attention", 0.35), ("FreeU", 0.8))):
        y = 124 + 76 * number
        tile.write((36, y - 26), name, 23)
        tile.line([(40, y + 20), (238, y + 20)], "#4a4653", 9)
        tile.line([(40, y + 20), (40 + 198 * share, y + 20)], ACCENT, 9)
        tile.dot((40 + 198 * share, y + 20), INK, 26)


def weight_over_time(tile: Tile) -> None:
    make_portrait(tile, GREY, 4, hat="none", x=0.74, background="beach", expression="smiling")
    tile.panel((14, 84, 264, 336), "#1b1a1fee", 14)
    tile.write((34, 96), "weight", 23)
    tile.write((244, 328), "steps", 23, anchor="rd")
    tile.line([(38, 132), (38, 296), (246, 296)], "#908a9a", 4)
    curve = [(38 + 200 * step / 40, 282 - 138 * (0.1 + 0.9 * (step / 40) ** 2)) for step in range(41)]
    tile.line(curve, ACCENT, 8)


def merge_models(tile: Tile) -> None:
    tile.fill(show_result(FAIR, 1, x=0.74, hat="none", background="city at night", expression="smiling"))
    for y, colour, name in ((92, OTHER, "model A"), (230, ACCENT, "model B")):
        tile.panel((22, y, 182, y + 96), colour, 16)
        tile.write((102, y + 48), name, 27, PAPER, "mm", 0.5)
    tile.sign((102, 209), "+")
    tile.arrow((192, 209), (258, 209))
