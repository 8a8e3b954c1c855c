"""The network: FacialEncoder, ID projection, LoRA and decoupled attention, and their checkpoint."""
