"""What Face2Diffusion's training trains: the mapping network, through the frozen text encoder and UNet."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..adapter.config import AdapterConfig
from ..face2diffusion.encoder import load_mapping
from ..face2diffusion.expression import MEASURES
from ..face2diffusion.mapping import MappingNetwork, MappingSizes
from ..face2diffusion.regularisation import compute_class_guided_loss
from ..headless.clip_text import ClipText
from .config import ConfigError, MappingConfig
from .model import TrainedNetwork

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

START_POSITIONS = 16
"""New tokens stand at any of the first places of a text."""
START_SHARE = 0.1
"""How much of a usual start a new network's last layer has, so that every face begins as the class word."""


class TrainedMapping(TrainedNetwork):
    """Losses of a micro-batch. Only the mapping network is trained, in float32, with its dropout; its gradient comes
    through text encoder and UNet, which stay as they are."""

    def __init__(self, unet: "UNet2DConditionModel", clip: ClipText, mapping: MappingNetwork, dtype: torch.dtype):
        super().__init__()
        self.unet, self.clip = unet, clip
        nn.Module.to(unet, dtype).eval().requires_grad_(False)
        self.mapping = mapping.float().train().requires_grad_(True)

    def name_trained(self) -> dict[str, nn.Parameter]:
        """Every parameter by its name in a released mapping.pt."""
        return dict(self.mapping.named_parameters())

    def forward(self, **inputs) -> dict[str, Tensor]:
        """Takes the fields of WordInputs. Returns scalars: the class-guided loss, and the error on the face alone."""
        with torch.no_grad():
            class_prediction = self.predict(inputs, inputs["class_text"]).float()
        vectors = self.map_faces(inputs["features"], inputs["expressions"], inputs["strengths"], inputs["seeds"])
        text, _ = self.clip.encode_ids([inputs["ids"]], vectors.flatten(0, 1))
        prediction, target, mask = self.predict(inputs, text).float(), inputs["target"], inputs["loss_mask"]
        loss = compute_class_guided_loss(prediction, target, class_prediction, mask)
        with torch.no_grad():
            face = ((prediction - target).square().mean(1, keepdim=True) * mask).sum() / mask.sum()
        return {"loss": loss, "face": face}

    def map_faces(self, features: Tensor, expressions: Tensor, strengths: Tensor, seeds: list[int]) -> Tensor:
        """Text tokens [B, 2, D]. Each row's dropout follows from its seed alone, in whatever batch it comes."""
        rows = []
        with torch.random.fork_rng(devices=[features.device] if features.is_cuda else []):
            for row, seed in enumerate(seeds):
                torch.manual_seed(seed)
                one = slice(row, row + 1)
                rows.append(self.mapping(features[one], expressions[one], strengths[one]))
        return torch.cat(rows)

    def predict(self, inputs: dict, text: Tensor) -> Tensor:
        dtype = self.unet.dtype
        return self.unet(inputs["noisy"].to(dtype), inputs["timesteps"], text.to(dtype)).sample


def start_mapping(config: MappingConfig, features: int, base: AdapterConfig, clip: ClipText) -> MappingNetwork:
    """The mapping network of the configuration, or a new one, the same for the same seed.

    features: width of what the encoder gives. ConfigError for a network that reads or writes something else.
    """
    sizes = MappingSizes(features, len(MEASURES), base.width)
    if not config.mapping:
        return _make_mapping(sizes, config, clip)
    mapping = load_mapping(config.mapping)
    if mapping.sizes != sizes:
        raise ConfigError(
            f"The mapping network in {config.mapping} has {mapping.sizes}, but {sizes} are needed here: the released "
            "one reads expressions of a 3D face model, which are not measured here. Leave out mapping."
        )
    return mapping


@torch.no_grad()
def _make_mapping(sizes: MappingSizes, config: MappingConfig, clip: ClipText) -> MappingNetwork:
    """A new network, all of whose faces are nearly the class word."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        mapping = MappingNetwork(sizes)
    embeddings = getattr(clip.encoders[0], "text_model", clip.encoders[0]).get_submodule("embeddings")
    ids = clip.tokenizers[0](config.class_words[0], add_special_tokens=False, verbose=False).input_ids
    positions = embeddings.position_embedding.weight[1 : START_POSITIONS + 1].mean(0)
    for projection, token in zip((mapping.i2t_first, mapping.i2t_last), (ids[0], ids[-1]), strict=True):
        projection.fc_out.weight.mul_(START_SHARE * float(positions.std()))
        projection.fc_out.bias.copy_(embeddings.token_embedding.weight[token] + positions)
    return mapping
