"""Tokens of ComfyUI's CLIP: where facial tokens go, and words that stand for people."""
