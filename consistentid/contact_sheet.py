"""Pictures in rows, each with its title below: the stages of a run, records of a training set, scores of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL = 256
LINE = 18
GAP = 8
COLUMNS = 4
TEXT_PX = 14

Colour = str | tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """gap: between cells and around them, below: under a title, indent: before it, all in px. paper: of the sheet,
    beside: left and right of a tall picture, over and under a wide one; ink: of titles."""

    gap: int
    below: int
    indent: int
    paper: Colour
    beside: Colour
    ink: Colour


LIGHT = Style(GAP, GAP, 0, "white", "gainsboro", "black")
DARK = Style(0, 6, 4, "black", "black", (220, 220, 220))


def draw_contact_sheet(
    pictures: Sequence[tuple[str, Image.Image]],
    columns: int = COLUMNS,
    style: Style = LIGHT,
    inks: Mapping[int, Colour] | None = None,
    cell_px: tuple[int, int] = (CELL, CELL),
) -> Image.Image:
    """Pictures of any sizes, [(title, picture), ...], in cells of (width, height) px; long titles are wrapped.

    inks: {place of a picture, from 0: colour of its title}, where it is not the style's.
    """
    font = ImageFont.load_default(TEXT_PX)
    titles = [wrap_text(title, cell_px[0] - style.indent, font) for title, _ in pictures]
    columns, rows = min(columns, len(pictures)), -(-len(pictures) // columns)
    width, height = cell_px[0] + style.gap, cell_px[1] + LINE * max(map(len, titles)) + style.below + style.gap
    sheet = Image.new("RGB", (columns * width + style.gap, rows * height + style.gap), style.paper)
    draw = ImageDraw.Draw(sheet)
    for place, ((_, picture), lines) in enumerate(zip(pictures, titles, strict=True)):
        x, y = style.gap + place % columns * width, style.gap + place // columns * height
        sheet.paste(ImageOps.pad(picture.convert("RGB"), cell_px, color=style.beside), (x, y))
        ink = (inks or {}).get(place, style.ink)
        draw.text((x + style.indent, y + cell_px[1] + 4), "\n".join(lines), fill=ink, font=font, spacing=LINE - TEXT_PX)
    return sheet


def draw_captioned_rows(rows: Sequence[tuple[str, Sequence[tuple[str, Image.Image]]]], cell_px: int) -> Image.Image:
    """[(caption, pictures with their titles), ...]: each row in cells of cell_px, its caption below, over its width."""
    font, columns = ImageFont.load_default(TEXT_PX), max(len(cells) for _, cells in rows)
    width, parts = columns * (cell_px + GAP) + GAP, []
    for caption, cells in rows:
        strip = draw_contact_sheet(cells, columns, cell_px=(cell_px, cell_px))
        lines = wrap_text(caption, width - 2 * GAP, font)
        part = Image.new("RGB", (width, strip.height + LINE * len(lines) + GAP), LIGHT.paper)
        part.paste(strip, (0, 0))
        draw = ImageDraw.Draw(part)
        draw.text((GAP, strip.height - GAP), "\n".join(lines), fill=LIGHT.ink, font=font, spacing=LINE - TEXT_PX)
        draw.line((GAP, part.height - 1, width - GAP, part.height - 1), fill=LIGHT.beside)
        parts.append(part)
    sheet = Image.new("RGB", (width, sum(part.height for part in parts)), LIGHT.paper)
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def wrap_text(text, width, font):
    """Lines of at most `width` pixels, cut between words, or inside one that is longer; at least one line."""
    lines = [""]
    for word in text.split():
        while font.getlength(word) > width:
            fitting = max(n for n in range(1, len(word)) if n == 1 or font.getlength(word[:n]) <= width)
            lines.append(word[:fitting])
            word = word[fitting:]
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in lines if line] or [""]
