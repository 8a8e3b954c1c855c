"""Memory shared out among processes: each keeps a part of the frozen UNet, and of what the optimiser keeps.

Trained weights and their gradients stay whole in every process, so results, checkpoints and sheets are those of one
process. A block of the UNet is whole only while it is computed: PyTorch's `fully_shard`. Each process moves the weights
whose part of the optimiser it has, and sends them to the others: PyTorch's ZeroRedundancyOptimizer.
"""

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .model import TrainedNetwork

BLOCKS = ("BasicTransformerBlock", "ResnetBlock2D", "UNet2DConditionModel")
"""Classes of diffusers whose modules are gathered one at a time; the last takes what is outside of the others."""


def leave_frozen_weights(model: TrainedNetwork) -> None:
    """Let DDP join what is trained alone. Before it takes the model."""
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, frozen)


def share_unet(unet: nn.Module) -> None:
    """Keep this process's part of each frozen weight of the UNet, which is on its device already."""
    from torch.distributed import get_world_size
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # Without one it would be of the GPUs of this machine, also where the run is on the CPU.
    mesh = init_device_mesh(next(unet.parameters()).device.type, (get_world_size(),))
    trained = {parameter for parameter in unet.parameters() if parameter.requires_grad}
    for module in reversed([*unet.modules()]):  # what is inside comes first
        if type(module).__name__ in BLOCKS:
            fully_shard(module, mesh=mesh, ignored_params=trained)


def make_shared_optimizer(parameters: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW, of whose memory this process has its part."""
    from torch.distributed.optim import ZeroRedundancyOptimizer

    return ZeroRedundancyOptimizer(parameters, torch.optim.AdamW, lr=lr, weight_decay=weight_decay)


def is_shared(optimizer) -> bool:
    """Whether an optimiser, as accelerate wraps it, is of `make_shared_optimizer`."""
    return hasattr(optimizer.optimizer, "consolidate_state_dict")


def gather_optimizer(optimizer) -> None:
    """Bring all parts to the main process, whose `state_dict` then has them. Every process calls it."""
    optimizer.optimizer.consolidate_state_dict(0)
