"""What the pack does in ComfyUI's server beside its nodes: folders, routes, frontend files."""
