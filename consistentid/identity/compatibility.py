"""Which identities go together, and with which adapter."""

from collections.abc import Sequence

from ..adapter.config import AdapterConfig
from ..errors import IncompatibleModelError
from .person import Identity

# Relative distance between features of the same pixels: less for one encoder in two precisions, more for two encoders.
_SAME_ENCODER = 0.1


def check_same_models(identities: Sequence[Identity]) -> None:
    """IncompatibleModelError when features come from different image encoders, or embeddings from two recognisers."""
    first = identities[0].zero_features.float()
    known = {person.recogniser: number for number, person in reversed([*enumerate(identities, 1)]) if person.recogniser}
    for number, person in enumerate(identities[1:], 2):
        zero = person.zero_features.float()
        if zero.shape != first.shape or (zero - first).norm() > _SAME_ENCODER * first.norm():
            raise IncompatibleModelError(
                f"Identity {number} was encoded with another CLIP_VISION than identity 1, so their features cannot be "
                "combined. Encode both from their photos with the same one."
            )
    if len(known) > 1:
        (one, first_number), (other, number), *_ = sorted(known.items(), key=lambda item: item[1])
        raise IncompatibleModelError(
            f"The face of identity {number} was recognised with {other}, that of identity {first_number} with {one}, "
            "so their ID embeddings cannot be combined. Encode both from their photos with the same face analysis."
        )


def check_adapter(identity: Identity, config: AdapterConfig, source: str) -> None:
    """IncompatibleModelError when the adapter from the file `source` cannot read the identity.

    Adapters for SD1.5 and SDXL read the same identities. A recogniser of unknown name is taken for the right one.
    """
    shape = tuple(identity.photo_features.shape)
    if shape != config.sizes.image_shape:
        raise IncompatibleModelError(
            f"The adapter {source} for {config.title} reads features of shape {list(config.sizes.image_shape)}, but "
            f"those of this identity are {list(shape)}: it was made with another image encoder. Encode it again from "
            f"the photo with {config.image_encoder}."
        )
    if identity.recogniser not in ("", config.recogniser):
        raise IncompatibleModelError(
            f"The adapter {source} for {config.title} reads ID embeddings by {config.recogniser}, but the face of this "
            f"identity was recognised with {identity.recogniser}. Encode it again from the photo, with the adapter's "
            "recogniser or without a face."
        )
