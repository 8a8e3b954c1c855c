"""Hairstyles: outlines in head coordinates."""

from functools import lru_cache

import numpy as np

from ..drawing.curves import make_ellipse, mirror, ripple, smooth
from .shapes import HairShapes, trace_cap, trace_curtain, trace_locks

LINES = {
    "high": [(0.75, 0.0), (0.70, -0.10), (0.67, -0.36), (0.53, -0.58), (0.22, -0.66), (0, -0.67)],
    "low": [(0.76, 0.16), (0.70, 0.02), (0.665, -0.30), (0.56, -0.50), (0.24, -0.57), (0, -0.57)],
    "fringe": [(0.88, 0.82), (0.72, 0.36), (0.665, -0.16), (0.56, -0.25), (0.28, -0.29), (0, -0.30)],
    "curtain": [(0.84, 0.86), (0.71, 0.40), (0.66, -0.10), (0.50, -0.40), (0.20, -0.66), (0.02, -0.82)],
}
"""Symmetric hairlines: right half, from beside the ear to the middle."""
SWEPT = [(0.76, 0.14), (0.70, 0.0), (0.67, -0.34), (0.56, -0.58), (0.36, -0.74), (0.14, -0.62), (-0.18, -0.47)]
SWEPT += [(-0.48, -0.36), (-0.66, -0.24), (-0.72, 0.0), (-0.76, 0.14)]
SIDE_CURTAIN = [(0.77, 0.04), (0.70, -0.06), (0.67, -0.24), (0.57, -0.50), (0.36, -0.78), (0.10, -0.58), (-0.25, -0.38)]
SIDE_CURTAIN += [(-0.56, -0.16), (-0.67, 0.10), (-0.71, 0.40), (-0.88, 0.86)]


@lru_cache(maxsize=64)
def find_shapes(style: str, volume: float, part: int) -> HairShapes:
    """The outlines of a style of `person`; volume: a factor around 1; part: -1 or 1."""
    return _BUILDERS[style](volume, part)


def _sweep(line, part: int):
    return line if part > 0 else mirror(line)


def _bald(volume, part):
    return HairShapes(flow="none")


def _buzz(volume, part):
    return HairShapes(front=[trace_cap(0.012, LINES["high"], (0.745, 0.0))], flow="none", sheer=0.30)


def _short_swept(volume, part):
    return HairShapes(front=[trace_cap(0.13 * volume, _sweep(SWEPT, part), (0.785, 0.16))])


def _quiff(volume, part):
    cap = trace_cap(0.05, LINES["high"], (0.77, 0.08))
    high = 0.40 * volume
    crest = [(-0.62, -0.50), (-0.66, -0.86), (-0.42, -1.02 - high * 0.7), (-0.02, -1.02 - high), (0.42, -1.0 - high)]
    crest += [(0.72, -1.08), (0.66, -0.78), (0.56, -0.56), (0.30, -0.70), (-0.10, -0.68), (-0.40, -0.58)]
    return HairShapes(front=[cap, smooth(np.array(crest) * [part, 1])], flow="up")


def _spiky(volume, part):
    line = smooth([*LINES["high"][:-1], *mirror(LINES["high"])], closed=False)
    tips = []
    for index, angle in enumerate(np.radians(np.linspace(-188, 8, 19))):
        out = (1.0, 1.30 + 0.10 * volume)[index % 2] if index not in (0, 18) else 0.98
        lean = 0.07 * part * (index % 2)
        tips.append((0.78 * out * np.cos(angle) + lean, -0.24 + 0.80 * out * np.sin(angle)))
    return HairShapes(front=[np.concatenate([tips, line])], flow="up")


def _short_curly(volume, part):
    return HairShapes(front=[trace_cap(0.17 * volume, LINES["low"], (0.80, 0.12), 15, 0.085)], flow="curl")


def _afro(volume, part):
    ring = make_ellipse((0, -0.40), (1.06 * volume**0.4, 0.98 * volume**0.4), 60)
    ring = ripple(np.concatenate([ring, ring[:1]]), 26, 0.07, rounded=True)
    return HairShapes([trace_cap(0.30 * volume, LINES["high"], (0.88, 0.05), 15, 0.07)], [ring], flow="curl")


def _bob(volume, part):
    back = trace_curtain(0.92, 0.90 + 0.04 * volume)
    return HairShapes(
        [trace_cap(0.11 * volume, _sweep(SIDE_CURTAIN, part), (0.91, 0.84), tucked=part)], [back], covered=(-part,)
    )


def _fringed_bob(volume, part):
    back = trace_curtain(0.90, 0.92 + 0.04 * volume)
    return HairShapes([trace_cap(0.11 * volume, LINES["fringe"], (0.92, 0.80))], [back], covered=(-1, 1))


def _long_straight(volume, part):
    back = trace_curtain(1.3, 0.86)
    return HairShapes(
        [trace_cap(0.09 * volume, LINES["curtain"], (0.86, 0.84))], [back], trace_locks(2.3, 0.86), covered=(-1, 1)
    )


def _long_fringed(volume, part):
    back = trace_curtain(1.3, 0.88)
    return HairShapes(
        [trace_cap(0.10 * volume, LINES["fringe"], (0.90, 0.80))], [back], trace_locks(2.3, 0.88), covered=(-1, 1)
    )


def _long_wavy(volume, part):
    wide = 0.96 + 0.06 * volume
    back = trace_curtain(1.3, wide, 3, 0.10)
    front = trace_cap(0.15 * volume, _sweep(SIDE_CURTAIN, part), (0.93, 0.84), tucked=part)
    return HairShapes([front], [back], trace_locks(2.3, wide, 2.8), covered=(-part,))


def _shoulder_curls(volume, part):
    half = smooth([(0.4, -1.15), (0.86, -0.8), (1.08, -0.1), (1.12, 0.6), (0.92, 1.12)], closed=False)
    half = ripple(half, 8, 0.11, rounded=True)
    back = np.concatenate([half, mirror(half)])
    return HairShapes(
        [trace_cap(0.20 * volume, LINES["low"], (0.93, 0.30), 15, 0.09)], [back], flow="curl", covered=(-1, 1)
    )


def _bun(volume, part):
    knot = make_ellipse((0, -1.22 - 0.06 * volume), (0.32 * volume**0.5, 0.29 * volume**0.5))
    return HairShapes([trace_cap(0.055, LINES["high"], (0.77, 0.02))], [knot], flow="up")


def _ponytail(volume, part):
    tail = [
        (0.35, -1.05),
        (0.85, -1.18),
        (1.22, -0.85),
        (1.25, -0.1),
        (1.10, 0.65),
        (1.28, 1.15),
        (0.92, 0.95),
        (0.84, 0.3),
        (0.86, -0.4),
    ]
    tail = smooth(np.array(tail) * [part * volume**0.3, 1])
    return HairShapes([trace_cap(0.06, _sweep(SWEPT, part), (0.77, 0.04))], [tail], flow="up")


def _pigtails(volume, part):
    tail = [(0.66, -0.30), (0.98, -0.48), (1.30, -0.12), (1.32, 0.5), (1.10, 1.12), (0.98, 0.6), (0.90, 0.1)]
    tails = [smooth(np.array(tail) * [side * volume**0.3, 1]) for side in (-1, 1)]
    return HairShapes([trace_cap(0.06, [(0.76, 0.10), (0.70, 0.02), *LINES["fringe"][2:]], (0.80, 0.10))], tails)


def _mohawk(volume, part):
    crest = [
        (-0.26, -0.62),
        (-0.30, -0.95),
        (-0.24, -1.30 - 0.14 * volume),
        (0, -1.42 - 0.16 * volume),
        (0.24, -1.30 - 0.14 * volume),
    ]
    crest = smooth([*crest, (0.30, -0.95), (0.26, -0.62), (0, -0.56)])
    return HairShapes([crest], flow="up")


_BUILDERS = {
    "bald": _bald,
    "buzz-cut": _buzz,
    "short swept": _short_swept,
    "quiff": _quiff,
    "spiky": _spiky,
    "short curly": _short_curly,
    "afro": _afro,
    "bob": _bob,
    "fringed bob": _fringed_bob,
    "long straight": _long_straight,
    "long fringed": _long_fringed,
    "long wavy": _long_wavy,
    "curly shoulder-length": _shoulder_curls,
    "bun": _bun,
    "ponytail": _ponytail,
    "pigtails": _pigtails,
    "mohawk": _mohawk,
}
