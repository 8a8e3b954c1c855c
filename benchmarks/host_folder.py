"""Where ComfyUI is."""

import os


def find_host() -> str:
    """The folder of ComfyUI, unless another is named."""
    return os.environ.get("COMFYUI_PATH", "").split(os.pathsep)[0] or "~/comfy/ComfyUI"
