"""The card that every tile is: a picture above, title and sentence below, in the pack's colour."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from consistentid.contact_sheet import wrap_text

SIDE = 512
"""Of a tile, in px; editors show it at half of that."""
SHOWN = (SIDE, 352)
"""The picture's part of it. The newest editor covers 212 x 76 px of its upper left corner."""
FINE = 2
"""Everything is drawn this much larger, for smooth edges. Coordinates are those of the tile."""
ACCENT, PAPER, INK, SOFT, SHADE = "#e54695", "#1b1a1f", "#f5f3f7", "#b7b1bf", "#1b1a1fcc"
OTHER = "#4fb3e8"
"""The second person's colour."""

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Tile:
    """A tile being drawn. Boxes are (left, top, right, bottom)."""

    def __init__(self):
        self._image = Image.new("RGB", (SIDE * FINE, SIDE * FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def fill(self, picture: Image.Image, box: Box = (0, 0, *SHOWN), radius: float = 0, ring: str = "") -> None:
        """A picture that covers a box, cut around its middle; with round corners and a ring."""
        left, top, right, bottom = (round(side * FINE) for side in box)
        size = right - left, bottom - top
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius * FINE, 255)
        self._image.paste(ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS), (left, top), mask)
        if ring:
            self.frame(box, ring, radius=radius)

    def circle(self, picture: Image.Image, middle: Point, wide: float, ring: str = INK) -> None:
        """A round picture."""
        box = (middle[0] - wide / 2, middle[1] - wide / 2, middle[0] + wide / 2, middle[1] + wide / 2)
        self.fill(picture, box, wide / 2, ring)

    def frame(self, box: Box, colour: str = ACCENT, width: float = 5, radius: float = 10) -> None:
        self._draw.rounded_rectangle(_scale(box), radius * FINE, outline=colour, width=round(width * FINE))

    def panel(self, box: Box, colour: str = SHADE, radius: float = 12) -> None:
        self._draw.rounded_rectangle(_scale(box), radius * FINE, fill=colour)

    def line(self, points: Sequence[Point], colour: str = ACCENT, width: float = 5) -> None:
        fine = [tuple(_scale(point)) for point in points]
        self._draw.line(fine, colour, round(width * FINE), joint="curve")
        for point in points:
            self.dot(point, colour, width)

    def dot(self, middle: Point, colour: str = ACCENT, wide: float = 12) -> None:
        (x, y), half = middle, wide / 2
        self._draw.ellipse(_scale((x - half, y - half, x + half, y + half)), fill=colour)

    def arrow(self, start: Point, end: Point, colour: str = ACCENT, width: float = 9) -> None:
        """A straight arrow with an edge, to be seen on any picture."""
        (x, y), (to_x, to_y) = start, end
        long = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
        ahead = ((to_x - x) / long, (to_y - y) / long)
        for ink, more in ((PAPER, 3), (colour, 0)):
            head = 2.4 * width + more
            neck = (to_x - ahead[0] * head, to_y - ahead[1] * head)
            self.line((start, neck), ink, width + 2 * more)
            tip = (to_x + more * ahead[0], to_y + more * ahead[1])
            wings = [
                (neck[0] - side * ahead[1] * head * 0.7, neck[1] + side * ahead[0] * head * 0.7) for side in (1, -1)
            ]
            self._draw.polygon([tuple(_scale(point)) for point in (tip, *wings)], fill=ink)

    def sign(self, middle: Point, text: str) -> None:
        """A character such as + in a disc."""
        self.dot(middle, PAPER, 42)
        self.dot(middle, ACCENT, 36)
        self.write(middle, text, 30, anchor="mm", bold=1)

    def write(self, at: Point, text: str, px: float, colour: str = INK, anchor: str = "la", bold: float = 0) -> None:
        font = _find_font(px)
        self._draw.text(
            (at[0] * FINE, at[1] * FINE), text, colour, font, anchor=anchor, stroke_width=round(bold * FINE)
        )

    def pill(self, corner: Point, text: str, colour: str = SHADE, px: float = 20, right: bool = False) -> None:
        """Small type on a disc that is as long as it; `corner` is the upper left one, or the upper right one."""
        wide = _find_font(px).getlength(text) / FINE + px * 1.2
        x = corner[0] - (wide if right else 0)
        self.panel((x, corner[1], x + wide, corner[1] + px * 1.6), colour, px * 0.8)
        self.write((x + wide / 2, corner[1] + px * 0.8), text, px, anchor="mm")

    def finish(self, title: str, sentence: str, note: str, colour: str = SHADE) -> Image.Image:
        """RGB, SIDE x SIDE. sentence: of two lines at most. note: what kind of picture this is, at the upper right."""
        self.panel((0, SHOWN[1], SIDE, SIDE), PAPER, 0)
        self.panel((0, SHOWN[1], SIDE, SHOWN[1] + 5), ACCENT, 0)
        self.write((24, SHOWN[1] + 24), title, 38, bold=0.75)
        self.write((24, SHOWN[1] + 84), "\n".join(wrap(sentence, 25, SIDE - 48)), 25, SOFT)
        self.pill((SIDE - 12, 12), note, colour, right=True)
        return self._image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def find_width(text: str, px: float) -> float:
    """Of a written line, in px of the tile."""
    return _find_font(px).getlength(text) / FINE


def wrap(text: str, px: float, wide: float) -> list[str]:
    """The lines of a text of this size."""
    return wrap_text(text, wide * FINE, _find_font(px))


def _find_font(px: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(px * FINE)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow without FreeType"
    return font


def _scale(values: Sequence[float]) -> list[float]:
    return [value * FINE for value in values]
