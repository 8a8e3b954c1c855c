"""What the zoo's convolutional networks are built of."""

from torch import nn

MOMENTUM = 0.02
"""Batch norms remember some fifty batches: ten of a few pictures each differ too much."""


def convolve(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch norm and ReLU; without a stride the size stays."""
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, momentum=MOMENTUM), nn.ReLU(inplace=True))
