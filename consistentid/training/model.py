"""What is trained: the base UNet with the adapter in it, FacialEncoder and ID projection; it says its losses."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..adapter.checkpoint import Adapter
from ..errors import CheckpointError
from ..face2diffusion.regularisation import compute_class_guided_loss
from ..headless.attention_maps import AttentionMaps
from ..headless.unet import install_adapter
from ..plural import count
from .losses import measure_localisation_loss, measure_mass, measure_noise_loss

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel


class TrainedNetwork(nn.Module):
    """What a run trains. Called with the fields of its inputs, it returns scalars, "loss" among them."""

    def name_trained(self) -> dict[str, nn.Parameter]:
        """Every trained parameter by its name in a published checkpoint."""
        raise NotImplementedError

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over the values of a checkpoint, by name; CheckpointError where names or shapes differ."""
        trained = self.name_trained()
        wrong = sorted(trained.keys() ^ tensors.keys())
        wrong += [name for name in trained.keys() & tensors.keys() if trained[name].shape != tensors[name].shape]
        if wrong:
            raise CheckpointError(
                f"The weights do not fit what is trained in {count(len(wrong), 'tensor')}: {', '.join(wrong[:5])}. "
                "Were they saved by a run with another base model or rank?"
            )
        for name, parameter in trained.items():
            parameter.copy_(tensors[name])


class TrainedAdapter(TrainedNetwork):
    """Losses of a micro-batch. Only what `name_trained` lists is trained, in float32; the UNet stays as it is, in
    `dtype`.

    localisation_weight: 0 leaves the localisation loss out. blocks: see choose_sites.
    """

    def __init__(
        self,
        unet: "UNet2DConditionModel",
        adapter: Adapter,
        dtype: torch.dtype,
        localisation_weight: float = 0.01,
        blocks: int = 0,
    ):
        super().__init__()
        self.unet = unet
        nn.Module.to(unet, dtype).eval().requires_grad_(False)
        self.installed = install_adapter(unet, adapter)
        self.installed.processors.float()
        self.facial_encoder = adapter.facial_encoder.float()
        self.id_projection = adapter.id_projection.float()
        self.adapter = replace(adapter, facial_encoder=self.facial_encoder, id_projection=self.id_projection)
        self.localisation_weight = localisation_weight
        self.maps = AttentionMaps(self.installed, blocks)
        self.load(name_tensors(adapter))
        for parameter in self.name_trained().values():
            parameter.requires_grad_(True)

    def name_trained(self) -> dict[str, nn.Parameter]:
        """Every trained parameter by its name in a published checkpoint."""
        parts = list_networks(self.adapter) | {"adapter_modules": self.installed.processors}
        return {f"{part}.{name}": p for part, module in parts.items() for name, p in module.named_parameters()}

    def forward(self, **inputs) -> dict[str, Tensor]:
        """Takes the fields of ModelInputs. Returns scalars: loss, and what it is made of (noise, localisation); mass:
        the part of facial tokens' attention that lies in their regions."""
        text = self.fuse_tokens(
            *(inputs[name] for name in ("text", "region_features", "places", "strengths", "counts"))
        )
        shortcut = self.adapter.config.shortcut
        id_tokens = self.id_projection(inputs["id_embeddings"], inputs["photo_features"], shortcut=shortcut)
        # Keys and values have no bias, so tokens of zeros add nothing.
        id_tokens = id_tokens * inputs["id_weights"][:, None, None]
        class_prediction = self.predict_class(inputs) if inputs["class_text"] is not None else None
        if self.localisation_weight:
            self.maps.watch(inputs["positions"])
        prediction = self.predict(inputs, text, inputs["pooled"], id_tokens)
        target, mask = inputs["target"], inputs["loss_mask"]
        if class_prediction is None:
            noise = measure_noise_loss(prediction, target, mask)
        else:
            noise = compute_class_guided_loss(prediction.float(), target, class_prediction.float(), mask)
        if not self.localisation_weight:
            return {"loss": noise, "noise": noise.detach()}
        maps, masks, valid = self.maps.take(), inputs["region_masks"], inputs["valid"]
        localisation = measure_localisation_loss(maps, masks, valid)
        with torch.no_grad():
            mass = measure_mass(maps, masks, valid)
        loss = noise + self.localisation_weight * localisation
        return {"loss": loss, "noise": noise.detach(), "localisation": localisation.detach(), "mass": mass}

    def fuse_tokens(self, text: Tensor, region_features: Tensor, places: Tensor, strengths: Tensor, counts) -> Tensor:
        """Facial tokens put into the text embeddings [B, 77, D], row by row."""
        tokens = self.facial_encoder.encode_regions(region_features)
        rows = zip(text.split(1), tokens.split(counts), places.split(counts), strengths.split(counts), strict=True)
        return torch.cat([self.facial_encoder(*row) for row in rows])

    @torch.no_grad()
    def predict_class(self, inputs: dict) -> Tensor:
        """What the base model without the adapter predicts for the class prompt."""
        self.maps.rest()
        self.installed.set_weights(0.0, 0.0)
        try:
            return self.predict(inputs, inputs["class_text"], inputs["class_pooled"], None)
        finally:
            self.installed.set_weights(1.0, 1.0)

    def predict(self, inputs: dict, text: Tensor, pooled: Tensor | None, id_tokens: Tensor | None) -> Tensor:
        conditions = None if pooled is None else {"text_embeds": pooled, "time_ids": inputs["time_ids"]}
        dtype = self.unet.dtype
        return self.unet(
            inputs["noisy"].to(dtype),
            inputs["timesteps"],
            text.to(dtype),
            added_cond_kwargs=None if conditions is None else {key: x.to(dtype) for key, x in conditions.items()},
            cross_attention_kwargs={"id_tokens": id_tokens},
        ).sample


def list_networks(adapter: Adapter) -> dict[str, nn.Module]:
    """{name in a published checkpoint: network}, without the adapter's modules in the UNet."""
    return {"FacialEncoder": adapter.facial_encoder, adapter.config.projection_part: adapter.id_projection}


def name_tensors(adapter: Adapter) -> dict[str, Tensor]:
    """All tensors of an adapter by their names in a published checkpoint, in its order."""
    networks = list_networks(adapter).items()
    tensors = {f"{part}.{name}": t for part, network in networks for name, t in network.state_dict().items()}
    for (site, attention, projection), lora in adapter.loras.items():
        entry = site.self_entry if attention == "attn1" else site.cross_entry
        for side in ("up", "down"):
            tensors[f"adapter_modules.{entry}.{projection}_lora.{side}.weight"] = getattr(lora, side)
    for number, layer in enumerate(adapter.id_layers):
        for name, tensor in layer.state_dict().items():
            tensors[f"adapter_modules.{2 * number + 1}.{name}"] = tensor
    return tensors
