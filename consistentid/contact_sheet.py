"""All stages of a run on one picture."""

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL = 256
LINE = 18
GAP = 8
COLUMNS = 4


def draw_contact_sheet(pictures):
    """A PIL image of [(title, PIL image), ...], four to a row, each with its title below; long titles are wrapped."""
    font = ImageFont.load_default(14)
    titles = [wrap_text(title, CELL, font) for title, _ in pictures]
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    height = CELL + LINE * max(map(len, titles)) + GAP
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, ((_, picture), lines) in enumerate(zip(pictures, titles, strict=True)):
        x = GAP + number % COLUMNS * (CELL + GAP)
        y = GAP + number // COLUMNS * (height + GAP)
        sheet.paste(ImageOps.pad(picture.convert("RGB"), (CELL, CELL), color="gainsboro"), (x, y))
        draw.text((x, y + CELL + 4), "\n".join(lines), fill="black", font=font, spacing=LINE - 14)
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
