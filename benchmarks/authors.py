"""What the released code does before sampling, stage by stage, on the same networks.

After pipline_StableDiffusion_ConsistentID.py and functions.py (github.com/JackAILab/ConsistentID, commit e234008). It
keeps nothing: each call does all of it, also where only the prompt has changed.
"""

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

MOST_REGIONS = 5
CLIP_PX = 224


def find_identity(analysis, photo: np.ndarray) -> np.ndarray:
    """The first face's embedding, when every model of the package has seen every face. analysis: insightface's own."""
    return analysis.get(np.ascontiguousarray(photo[:, :, ::-1]))[0].normed_embedding


def parse_face(parser, photo: np.ndarray, labels: np.ndarray, side_px: int = 512) -> list[np.ndarray]:
    """Masks of at most five regions; see parse_labels."""
    parse_labels(parser, Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.BILINEAR), labels)
    return [fill(labels == label) for label in np.unique(labels)][1 : MOST_REGIONS + 1]


def parse_labels(parser, square: Image.Image, labels: np.ndarray) -> np.ndarray:
    """The colour picture that is always made. labels: what the parser, which has seeded weights, is taken to have said;
    all three of its heads run."""
    pixels = torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    parser((pixels - 0.45) / 0.225)[0].squeeze(0).cpu().numpy().argmax(0)
    colours = np.full((*labels.shape, 3), 255.0)
    for label in range(1, labels.max() + 1):
        colours[np.where(labels == label)] = (label, 255 - label, 0)
    return cv2.addWeighted(cv2.cvtColor(np.asarray(square), cv2.COLOR_RGB2BGR), 0.4, colours.astype(np.uint8), 0.6, 0)


def fill(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(mask.astype(np.uint8) * 255, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros(mask.shape, np.uint8)
    for contour in contours:
        cv2.drawContours(filled, [contour], -1, 255, thickness=cv2.FILLED)
    return filled


def encode_regions(encode, photo: np.ndarray, masks: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features of photo, nobody, regions and as many times nobody: 12 images. encode: pixels to CLIP's features."""
    image, black = Image.fromarray(photo), Image.new("RGB", photo.shape[1::-1])
    views = [Image.composite(image, black, Image.fromarray(mask).resize(image.size)) for mask in masks]
    whole, *regions = (prepare_pixels(view)[None] for view in (image, *views))
    regions += [torch.zeros_like(whole)] * (MOST_REGIONS - len(regions))
    batch = torch.cat(regions)
    return tuple(encode(pixels) for pixels in (whole, torch.zeros_like(whole), batch, torch.zeros_like(batch)))


def prepare_pixels(image: Image.Image) -> Tensor:
    short = min(image.size)
    image = image.resize((CLIP_PX * image.width // short, CLIP_PX * image.height // short), Image.Resampling.BICUBIC)
    left, top = (image.width - CLIP_PX) // 2, (image.height - CLIP_PX) // 2
    pixels = np.asarray(image.crop((left, top, left + CLIP_PX, top + CLIP_PX)), dtype=np.float32) / 255
    return torch.from_numpy((pixels - 0.46) / 0.27).permute(2, 0, 1)


def encode_text(encode, facial_encoder, features: tuple, places: Tensor, prompts: tuple[str, str, str]) -> None:
    """Three prompts (marked, text alone, negative), and facial tokens of five regions and five times nobody.

    encode: a prompt to its text embedding [1, 77, D].
    """
    marked, _, negative = map(encode, prompts)
    for text, regions in ((marked, features[2]), (negative, features[3])):
        facial_encoder(text, facial_encoder.encode_regions(regions)[: len(places)], places)


def project_identity(projection: nn.Module, embedding: Tensor, features: tuple) -> None:
    """The ID tokens of the person and, once more, of nobody."""
    projection(embedding[None], features[0])
    projection(torch.zeros_like(embedding[None]), features[1])


def install_processors(weights: dict[str, Tensor]) -> nn.ModuleDict:
    """New layers for every site, and the file's weights copied into them."""
    layers = nn.ModuleDict()
    for name, weight in weights.items():
        layers[name.removesuffix(".weight").replace(".", "/")] = nn.Linear(*weight.shape[::-1], bias=False)
    state = {name.removesuffix(".weight").replace(".", "/") + ".weight": weight for name, weight in weights.items()}
    layers.load_state_dict(state)
    return layers
