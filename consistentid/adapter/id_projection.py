"""ID projection: an ArcFace embedding and the photo's CLIP features -> four ID tokens.

The IP-Adapter FaceID-Plus projection; parameter names of the released checkpoint (functions.py, ProjPlusModel).
"""

from torch import Tensor, nn

from .config import ID_EMBEDDING_WIDTH, ID_TOKENS, RELEASED_SIZES, NetworkSizes
from .resampler import HEAD_WIDTH, PerceiverResampler


class IDProjection(nn.Module):
    """id_embedding [B, 512], features [B, 257, 1280] -> ID tokens [B, 4, D]; shapes as with RELEASED_SIZES."""

    def __init__(self, width: int = 768, operations=nn, sizes: NetworkSizes = RELEASED_SIZES, **factory):
        super().__init__()
        self.width = width
        self.proj = nn.Sequential(
            operations.Linear(ID_EMBEDDING_WIDTH, sizes.id_hidden, **factory),
            nn.GELU(),
            operations.Linear(sizes.id_hidden, width * ID_TOKENS, **factory),
        )
        self.norm = operations.LayerNorm(width, **factory)
        self.perceiver_resampler = PerceiverResampler(
            width, sizes.id_depth, width // HEAD_WIDTH, sizes.image_width, width, operations, **factory
        )

    def forward(self, id_embedding: Tensor, features: Tensor, shortcut: bool = False, scale: float = 1.0) -> Tensor:
        """shortcut: add the tokens before the resampler to `scale` times its output (the SDXL adapter's way)."""
        tokens = self.norm(self.proj(id_embedding).unflatten(-1, (ID_TOKENS, self.width)))
        resampled = self.perceiver_resampler.resample(tokens, features)
        return tokens + scale * resampled if shortcut else resampled
