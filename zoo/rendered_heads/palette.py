"""Natural colours of hair, and those of the drawn faces for dyed ones, RGB 0..255."""

from zoo.drawn_faces import palette

HAIR = palette.HAIR | {
    "black": (26, 22, 22),
    "dark brown": (54, 36, 27),
    "brown": (92, 62, 42),
    "auburn": (112, 52, 32),
    "red": (158, 78, 38),
    "blond": (190, 150, 96),
    "platinum": (222, 202, 166),
    "grey": (136, 134, 134),
    "white": (214, 212, 208),
}
