"""Class-guided denoising regularisation: the loss Face2Diffusion is trained with (arXiv 2403.05094)."""

import torch
from torch import Tensor


def compute_class_guided_loss(predicted: Tensor, noise: Tensor, class_predicted: Tensor, face_mask: Tensor) -> Tensor:
    """Mean squared error to the noise on the face, and to the prediction for the class word around it; a scalar.

    predicted: noise that the UNet predicts for the prompt with the person, [B, 4, H, W]; noise: what was added.
    class_predicted: what it predicts for the same latent when a class word ("a person") takes the person's place; no
    gradient goes there. face_mask: 0..1, [B, 1, H, W] in latent pixels, 1 on the face; between, the two are blended.
    """
    face_mask = face_mask.to(noise)
    target = torch.lerp(class_predicted.detach(), noise, face_mask)
    return (predicted - target).square().mean()
