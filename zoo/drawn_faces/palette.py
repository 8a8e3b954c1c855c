"""Named colours, RGB 0..255."""

SKIN = {
    "porcelain": (250, 222, 205),
    "fair": (244, 204, 178),
    "light": (233, 184, 150),
    "golden": (226, 168, 112),
    "olive": (206, 152, 98),
    "tan": (190, 126, 78),
    "brown": (150, 96, 62),
    "dark brown": (112, 70, 48),
    "deep": (82, 52, 40),
}
HAIR = {
    "black": (40, 34, 40),
    "dark brown": (78, 50, 38),
    "brown": (122, 78, 48),
    "auburn": (146, 62, 34),
    "red": (206, 88, 34),
    "blond": (230, 184, 100),
    "platinum": (240, 226, 192),
    "grey": (150, 150, 156),
    "white": (232, 230, 228),
    "pink": (236, 122, 164),
    "blue": (62, 104, 190),
    "teal": (36, 148, 146),
    "purple": (126, 78, 172),
}
EYE = {
    "brown": (112, 66, 34),
    "dark": (52, 36, 32),
    "amber": (196, 126, 34),
    "green": (74, 148, 78),
    "blue": (58, 126, 204),
    "grey": (128, 142, 156),
    "violet": (126, 88, 186),
}
LIPS = {
    "natural": (196, 98, 92),
    "pink": (222, 104, 128),
    "red": (196, 40, 54),
    "plum": (140, 48, 92),
    "pale": (206, 138, 122),
}
FABRIC = {
    "red": (206, 58, 58),
    "orange": (236, 132, 52),
    "yellow": (244, 200, 74),
    "green": (74, 150, 92),
    "teal": (44, 146, 152),
    "blue": (58, 104, 190),
    "navy": (44, 56, 98),
    "purple": (124, 82, 168),
    "pink": (238, 140, 166),
    "white": (240, 238, 232),
    "grey": (140, 144, 152),
    "black": (52, 52, 60),
}


def mix(first, second, share: float) -> tuple[float, float, float]:
    """share of the second colour, 0..1."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def darken(colour, share: float) -> tuple[float, float, float]:
    """Towards a deep warm violet, as shadows are in illustrations."""
    return mix(colour, (colour[0] * 0.30, colour[1] * 0.18, colour[2] * 0.28), share)


def lighten(colour, share: float) -> tuple[float, float, float]:
    return mix(colour, (255, 250, 238), share)
