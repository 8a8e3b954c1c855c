"""Frontend files and workflows of a pack whose folder has a name that ComfyUI cannot serve.

Names with spaces or letters beyond ASCII: aiohttp compares the quoted route with the unquoted address. Names with a dot
or @: the editor asks for help pages under the part before it. Nodes work there all the same; these routes add the rest.
"""

import re
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from .routes import find_server

FOLDERS = {"/extensions": "js", "/workflow_templates": "workflows"}
# Characters that stand in an address as they are.
PLAIN = "!$&'()*+,;=:@"


def register(pack: Path) -> None:
    """Add routes to ComfyUI's server, where one is being started, for names of the pack's folder it does not serve."""
    server = find_server()
    if server is None:
        return
    for name in list_unserved_names(pack.name):
        for address, folder in FOLDERS.items():
            pattern = re.sub(r"\W", ".", name)
            server.routes.get(f"{address}/{{pack:{pattern}}}/{{file:.+}}")(_make_handler(pack / folder))


def list_unserved_names(folder: str) -> list[str]:
    """For "my nodes" that name itself, for "pack-0.1.0" the "pack-0" that the editor asks for; mostly none."""
    names = [folder] if urllib.parse.quote(folder, safe=PLAIN) != folder else []
    asked = re.split("[.@]", folder)[0]
    return names + ([asked] if asked not in ("", folder) else [])


def _make_handler(folder: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def send_file(request: web.Request) -> web.StreamResponse:
        root = folder.resolve()
        try:
            path = (root / request.match_info["file"]).resolve()
            is_there = path.is_relative_to(root) and path.is_file()
        except (ValueError, OSError) as error:  # a name that no file can have: with a NUL, or too long
            raise web.HTTPNotFound from error
        if not is_there:
            raise web.HTTPNotFound
        return web.FileResponse(path)

    return send_file
