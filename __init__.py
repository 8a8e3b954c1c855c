"""ConsistentID portraits for ComfyUI: the node list and the folder of its frontend files; nothing else."""

from comfy_api.latest import ComfyExtension, io

from .nodes import NODES

WEB_DIRECTORY = "./js"


class ConsistentIDExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> ConsistentIDExtension:
    return ConsistentIDExtension()
