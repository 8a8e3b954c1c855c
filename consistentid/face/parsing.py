"""BiSeNet face parsing: photo -> label map with the 19 CelebAMask-HQ classes.

Architecture of BiSeNet (arXiv 1808.00897) with a ResNet-18 context path and no spatial path; parameter names
of the public weights 79999_iter.pth = face_parsing.pth.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..weights import load_strictly, read_weights

LABELS = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "glasses", "l_ear", "r_ear", "earring",
    "nose", "mouth", "u_lip", "l_lip", "neck", "necklace", "cloth", "hair", "hat",
)  # fmt: skip
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
USUAL_WIDTH = 64
"""Channels of the first layer in the public weights."""


class ConvBNReLU(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if inputs != outputs or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.downsample(x) + residual)


class Resnet18(nn.Module):
    """Image -> features at 1/8 (2 * width channels), 1/16 (4 * width) and 1/32 (8 * width)."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._make_layer(width, width, 1)
        self.layer2 = self._make_layer(width, width * 2, 2)
        self.layer3 = self._make_layer(width * 2, width * 4, 2)
        self.layer4 = self._make_layer(width * 4, width * 8, 2)

    @staticmethod
    def _make_layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv(x)
        weights = self.bn_atten(self.conv_atten(features.mean((2, 3), keepdim=True)))
        return features * weights.sigmoid()


class ContextPath(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.resnet = Resnet18(width)
        self.arm16 = AttentionRefinement(width * 4, width * 2)
        self.arm32 = AttentionRefinement(width * 8, width * 2)
        self.conv_head32 = ConvBNReLU(width * 2, width * 2)
        self.conv_head16 = ConvBNReLU(width * 2, width * 2)
        self.conv_avg = ConvBNReLU(width * 8, width * 2, kernel=1, padding=0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        eighth, sixteenth, thirtysecond = self.resnet(x)
        average = self.conv_avg(thirtysecond.mean((2, 3), keepdim=True))
        up32 = F.interpolate(self.arm32(thirtysecond) + average, sixteenth.shape[2:], mode="nearest")
        up32 = self.conv_head32(up32)
        up16 = F.interpolate(self.arm16(sixteenth) + up32, eighth.shape[2:], mode="nearest")
        return eighth, self.conv_head16(up16), up32


class FeatureFusion(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.convblk = ConvBNReLU(inputs, outputs, kernel=1, padding=0)
        self.conv1 = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        features = self.convblk(torch.cat((spatial, context), dim=1))
        weights = self.conv2(F.relu(self.conv1(features.mean((2, 3), keepdim=True))))
        return features * weights.sigmoid() + features


class OutputHead(nn.Module):
    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.conv = ConvBNReLU(inputs, hidden)
        self.conv_out = nn.Conv2d(hidden, len(LABELS), 1, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(self.conv_out(self.conv(x)), size, mode="bilinear", align_corners=True)


class BiSeNet(nn.Module):
    """A FaceParser. Normalised image [B, 3, H, W] -> logits [B, 19, H, W] of the main head and of two auxiliary heads.

    The auxiliary heads belong to the weights and to training; `auxiliary=False` skips them. width: channels
    of the first layer, 64 in the public weights; all others follow from it. source: the file's name.
    """

    source = ""

    def __init__(self, width: int = USUAL_WIDTH):
        super().__init__()
        self.cp = ContextPath(width)
        self.ffm = FeatureFusion(width * 4, width * 4)
        self.conv_out = OutputHead(width * 4, width * 4)
        self.conv_out16 = OutputHead(width * 2, width)
        self.conv_out32 = OutputHead(width * 2, width)

    def forward(self, x: Tensor, auxiliary: bool = True) -> tuple[Tensor, ...]:
        size = x.shape[2:]
        eighth, context8, context16 = self.cp(x)
        logits = self.conv_out(self.ffm(eighth, context8), size)
        if not auxiliary:
            return (logits,)
        return logits, self.conv_out16(context8, size), self.conv_out32(context16, size)

    @torch.inference_mode()
    def parse(self, photo: np.ndarray, side_px: int = 512) -> np.ndarray:
        """Label map uint8 [side_px, side_px] of an RGB photo [H, W, 3], which is squashed to a square first.

        The published sides are 512 (SD1.5) and 1280 (SDXL).
        """
        square = Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.BILINEAR)
        mean, deviation = np.array((IMAGENET_MEAN, IMAGENET_STD), np.float32)
        pixels = (np.asarray(square, dtype=np.float32) / 255 - mean) / deviation
        batch = torch.from_numpy(pixels.transpose(2, 0, 1)[None]).to(self.conv_out.conv_out.weight)
        logits = self(batch, auxiliary=False)[0]
        return logits[0].argmax(0).to("cpu", torch.uint8).numpy()


def load_face_parser(path: str | Path) -> BiSeNet:
    """BiSeNet with the weights of a face_parsing.pth, in float32 and eval mode; CheckpointError if it is not one.

    A narrower network, whose first layer has fewer channels than 64, is made as narrow.
    """
    # Some copies carry the unused classification layer of ResNet-18.
    weights = {key: tensor for key, tensor in read_weights(path).items() if not key.startswith("cp.resnet.fc.")}
    first = weights.get("cp.resnet.conv1.weight")
    width = first.shape[0] if isinstance(first, Tensor) and first.ndim == 4 else USUAL_WIDTH
    with torch.device("meta"):
        parser = BiSeNet(width if 0 < width < USUAL_WIDTH else USUAL_WIDTH)
    load_strictly(parser, weights, Path(path).name)
    parser.source = Path(path).name
    return parser.float()
