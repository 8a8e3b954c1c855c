"""All stages of a run on one picture."""

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL = 256
CAPTION = 26
GAP = 8
COLUMNS = 4


def draw_contact_sheet(pictures, note=""):
    """A PIL image of [(title, PIL image), ...], four to a row, each with its title below; `note` heads the sheet."""
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    head = CAPTION if note else 0
    size = (columns * (CELL + GAP) + GAP, rows * (CELL + CAPTION + GAP) + GAP + head)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    draw.text((GAP, GAP), note, fill="firebrick", font=font)
    for number, (title, picture) in enumerate(pictures):
        x = GAP + number % COLUMNS * (CELL + GAP)
        y = GAP + head + number // COLUMNS * (CELL + CAPTION + GAP)
        sheet.paste(ImageOps.pad(picture.convert("RGB"), (CELL, CELL), color="gainsboro"), (x, y))
        draw.text((x, y + CELL + 4), title, fill="black", font=font)
    return sheet
