"""Face2Diffusion (CVPR 2024, arXiv 2403.05094): a person as two text tokens, to be used in any prompt."""
