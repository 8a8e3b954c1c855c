"""Hosts other than ComfyUI: the adapter in diffusers, for use without a user interface, for training and for tests."""
