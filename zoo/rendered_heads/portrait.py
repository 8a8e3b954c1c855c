"""A portrait of a rendered head: the picture and the truth about it, as of a drawn one."""

import numpy as np

from zoo.drawn_faces import Person, Portrait, Scene

from .backdrop import draw_backdrop
from .camera import develop
from .figure import Figure, make_model
from .lamps import Lamps
from .layers import Layers
from .light import choose_light
from .solids import draw_lashes, draw_solids
from .threads import draw_hair

SAMPLES = 1.5
"""Per pixel, across and down."""


def render_portrait(person: Person, scene: Scene, side_px: int, seed: int) -> Portrait:
    """Render a person in a scene; the same arguments give the same pixels on one machine.

    seed: of what the person's words leave open. Of the scene's words clothes, backgrounds and their colours are not
    followed closely, if at all. Raises ConsistentIDError without the package `anny`.
    """
    rng = np.random.default_rng([seed, scene.texture, 110])
    model = make_model(person, seed)
    side = round(side_px * SAMPLES)
    figure = Figure(model, scene, side, rng)
    lamps = Lamps(choose_light(rng, scene.light, int(np.sign(scene.light_side))), figure)
    layers = Layers(side, figure.pose.distance / figure.pose.scale)
    draw_solids(layers, figure, lamps)
    draw_lashes(layers, figure)
    draw_hair(layers, figure, lamps)
    light, marks = layers.compose(draw_backdrop(rng, side), float(model.looks.skin.mean()), rng)
    middles = ((np.arange(side_px) + 0.5) * SAMPLES).astype(int)
    return Portrait(
        develop(light, rng, side_px),
        marks[np.ix_(middles, middles)],
        figure.find_landmarks() / np.float32(SAMPLES),
        figure.find_box() / np.float32(SAMPLES),
    )
