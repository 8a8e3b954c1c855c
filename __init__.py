"""ConsistentID portraits for ComfyUI: the node list, server routes, the folder of frontend files; nothing else."""

import logging
from pathlib import Path

from comfy_api.latest import ComfyExtension, io

from .consistentid import __version__
from .nodes import NODES
from .nodes.server import routes, run_alone, web_files

WEB_DIRECTORY = "./js"


class ConsistentIDExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        logging.info("ConsistentID Portraits %s: %d nodes", __version__, len(NODES))
        return NODES


async def comfy_entrypoint() -> ConsistentIDExtension:
    routes.register()
    run_alone.register(NODES)
    web_files.register(Path(__file__).parent)
    return ConsistentIDExtension()
