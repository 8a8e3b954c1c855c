"""The method without ComfyUI, from photo and prompt to what the UNet reads; and its commands: `python -m consistentid`.

Nothing here imports ComfyUI; `nodes/` builds on it. `headless/`, `training/` and `evaluation/` use diffusers and other
optional packages where they need them.
Reference: arXiv 2404.16771 and github.com/JackAILab/ConsistentID, commit e234008.
"""

__version__ = "0.1.0"
