"""Hats."""

from ..drawing.easel import Easel
from ..palette import FABRIC
from .caps import draw_beanie, draw_cap
from .party_hats import draw_crown, draw_party_hat, draw_straw_hat, draw_top_hat


def draw_hat(easel: Easel) -> None:
    if easel.scene.hat != "none":
        _DRAWERS[easel.scene.hat](easel, FABRIC[easel.scene.hat_colour])


_DRAWERS = {
    "beanie": draw_beanie,
    "cap": draw_cap,
    "top hat": draw_top_hat,
    "straw hat": draw_straw_hat,
    "party hat": draw_party_hat,
    "crown": draw_crown,
}
