"""What the zoo's convolutional networks are built of."""

from torch import Tensor, nn

MOMENTUM = 0.02
"""Batch norms remember some fifty batches: ten of a few pictures each differ too much."""


def convolve(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch norm and ReLU; without a stride the size stays."""
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, momentum=MOMENTUM), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions around which the input passes: [B, width, H, W] -> the same shape."""

    def __init__(self, width: int):
        super().__init__()
        self.convolutions = nn.Sequential(convolve(width, width), convolve(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convolutions(x)
