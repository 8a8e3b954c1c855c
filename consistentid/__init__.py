"""ConsistentID in plain torch: faces, regions, captions, the adapter network and its checkpoint.

Nothing here imports ComfyUI or diffusers; `nodes/` and `hosts/` build on it.
Reference: arXiv 2404.16771 and github.com/JackAILab/ConsistentID, commit e234008.
"""

__version__ = "0.1.0"
