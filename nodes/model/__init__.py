"""Changes of a MODEL: patches, masks, rows of the batch, memory; all on a clone, through ComfyUI's public patching."""
