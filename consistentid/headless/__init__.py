"""The headless engine: a portrait on diffusers, without ComfyUI; training and evaluation use parts of it."""
