"""Schematics of workflows with several people. Each function is called as its workflow and draws on a tile."""

from dataclasses import replace

from zoo.drawn_faces import sample_person

from .people import BLUE, FACING, FAIR, LONG, PINK, SHORT, show_head, show_result, show_together
from .tile import ACCENT, INK, OTHER, Tile

BOTH = ((SHORT, 0.46), (LONG, 0.82))


def two_people(tile: Tile) -> None:
    tile.fill(show_together(BOTH, 5, background="beach", size=0.38, expression="smiling"))
    for (who, _), y, colour in zip(BOTH, (134, 276), (ACCENT, OTHER), strict=True):
        tile.circle(show_head(who), (66, y), 110, colour)
    tile.arrow((128, 204), (172, 204))


def people_from_picture(tile: Tile) -> None:
    tile.fill(show_together(((BLUE, 0.56), (FAIR, 0.85)), 4, background="space", size=0.36, expression="smiling"))
    pair = show_together(((BLUE, 0.3), (FAIR, 0.7)), 1, background="studio", size=0.46, texture=2, **FACING)
    box = (20, 100, 200, 250)
    tile.fill(pair, box, 10, INK)
    for left, colour in ((42, ACCENT), (114, OTHER)):
        tile.frame((left, 122, left + 64, 222), colour, 5, 30)
    tile.arrow((168, 256), (214, 300))


def regional(tile: Tile) -> None:
    tile.fill(show_together(((FAIR, 0.27), (BLUE, 0.73)), 5, background="garden", size=0.46, expression="smiling"))
    for box, colour, words in (((12, 84, 250, 340), ACCENT, "red coat"), ((262, 84, 500, 340), OTHER, "blue jacket")):
        tile.frame(box, colour, 6, 14)
        tile.pill((box[0] + 14, 294), words, colour, 23)


def mix(tile: Tile) -> None:
    """Someone with the hair of one and the rest of the other, halfway in skin and shape."""
    first, second = (sample_person(who, held_out=True) for who in (PINK, LONG))
    between = {"face_width": (first.face_width + second.face_width) / 2, "skin": second.skin, "nose": second.nose}
    mixed = replace(first, hair=second.hair, **between, face_shape=second.face_shape)
    tile.fill(show_result(mixed, 2, x=0.7, hat="none", background="forest", expression="smiling"))
    tile.circle(show_head(PINK), (82, 148), 116, ACCENT)
    tile.circle(show_head(LONG), (82, 276), 116, OTHER)
    tile.sign((82, 212), "+")
    tile.arrow((152, 212), (228, 212))
