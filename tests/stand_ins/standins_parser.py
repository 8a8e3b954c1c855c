"""A BiSeNet that knows one face: random weights, and a last layer fitted to scikit-image's astronaut.

Its features are those of the random network; one weighted ridge regression turns them into the labels drawn here.
On other photos its label maps mean nothing.
"""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw

# Label of CelebAMask-HQ and its outline on the 512x512 photo, later ones on top.
PARTS = (
    (16, "polygon", (20, 512, 50, 270, 110, 205, 300, 205, 350, 290, 360, 512)),
    (14, "polygon", (188, 165, 255, 165, 258, 190, 222, 196, 186, 185)),
    (17, "ellipse", (152, 15, 302, 140)),
    (7, "ellipse", (172, 108, 186, 134)),
    (8, "ellipse", (262, 110, 278, 138)),
    (1, "ellipse", (178, 66, 272, 182)),
    (2, "ellipse", (188, 86, 216, 94)),
    (3, "ellipse", (236, 88, 264, 97)),
    (4, "ellipse", (192, 94, 216, 108)),
    (5, "ellipse", (234, 96, 260, 110)),
    (10, "ellipse", (211, 104, 237, 134)),
    (12, "ellipse", (202, 135, 246, 145)),
    (13, "ellipse", (208, 147, 242, 157)),
)
WHOLE, HEAD = (0, 0, 512, 512), (107, 3, 343, 239)
# What is parsed, and at which side: around the face in SD1.5 and SDXL, and the whole photo as published.
VIEWS = ((HEAD, 512), (HEAD, 1280), (WHOLE, 512))
BALANCE = 0.7  # 0: every place counts the same; 1: every label does, however small
RIDGE = 1e-4


@torch.inference_mode()
def fit_last_layer(network, mean, std):
    """Set the weight of the network's last layer in place; `mean` and `std` are those of its input's channels."""
    last = network.conv_out.conv_out
    square = answer = 0
    for box, side in VIEWS:
        x = _read_features(network.eval(), last, side, box, mean, std)
        size = (math.isqrt(len(x)),) * 2
        drawn = draw_labels().resize(size, Image.Resampling.NEAREST, box)
        labels = torch.from_numpy(np.array(drawn)).flatten().long()
        y = torch.nn.functional.one_hot(labels, last.out_channels).double()
        weighted = (x / y.mean(0)[labels, None] ** BALANCE).T / len(x)
        square += weighted @ x
        answer += weighted @ y
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    last.weight.copy_(torch.linalg.solve(square, answer).T[:, :, None, None])


def _read_features(network, last, side, box, mean, std):
    """What the last layer gets of a square of the astronaut at `side` pixels: [places, channels]."""
    from skimage.data import astronaut

    photo = Image.fromarray(astronaut()).crop(box).resize((side, side), Image.Resampling.BILINEAR)
    pixels = (np.asarray(photo, dtype=np.float32) / 255 - np.float32(mean)) / np.float32(std)
    features = []
    handle = last.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
    network(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))
    handle.remove()
    return features[0][0].flatten(1).T.double()


def draw_labels():
    """The label map of the astronaut, a PIL image of mode L, 512x512."""
    picture = Image.new("L", (512, 512))
    draw = ImageDraw.Draw(picture)
    for label, shape, outline in PARTS:
        getattr(draw, shape)(outline, fill=label)
    return picture
