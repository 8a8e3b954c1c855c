"""What an expression does to eyes, brows and mouth."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expression:
    """eyes: factor of the opening. raised, tilt: brows up, and their inner ends up. lift: corners of the mouth up.
    gap: opening between the lips. width: factor of the mouth. drop: chin down. Lengths in head units.
    """

    eyes: float = 1.0
    raised: float = 0.0
    tilt: float = 0.0
    lift: float = 0.012
    gap: float = 0.0
    width: float = 1.0
    drop: float = 0.0


EXPRESSIONS = {
    "calm": Expression(),
    "smiling": Expression(eyes=0.92, raised=0.02, lift=0.085, width=1.12),
    "laughing": Expression(eyes=0.74, raised=0.05, lift=0.085, gap=0.19, width=1.16, drop=0.04),
    "surprised": Expression(eyes=1.22, raised=0.11, lift=0.0, gap=0.21, width=0.66, drop=0.06),
    "sad": Expression(eyes=0.84, raised=0.02, tilt=0.075, lift=-0.065, width=0.9),
    "angry": Expression(eyes=0.80, raised=-0.045, tilt=-0.085, lift=-0.045, width=0.92),
}
