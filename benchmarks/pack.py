"""The pack as ComfyUI would load it."""

import sys
from pathlib import Path

from file_import import import_file

ROOT = Path(__file__).resolve().parents[1]


def load_pack(comfyui: Path, cpu: bool, shapes_only: bool = False):
    """The pack in this process, as ComfyUI would load it. shapes_only: with attention that runs without any numbers."""
    sys.path.insert(0, str(comfyui))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import torch
    from comfy.cli_args import args

    args.cpu = cpu or not torch.cuda.is_available()
    args.use_pytorch_cross_attention = shapes_only
    return import_file("comfyui_consistentid", ROOT / "__init__.py", ROOT)
