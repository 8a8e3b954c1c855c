"""The headless engine: a portrait with diffusers, without ComfyUI; training and evaluation use parts of it."""
