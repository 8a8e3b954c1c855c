"""The server's side of the models panel: which models are there, and downloads of those in the manifest.

A request names a model by its id and nothing else: paths and addresses come from the manifest and from ComfyUI's
folders. Every answer is JSON, an error {"error": what to do}.
"""

import asyncio
import atexit
import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import folder_paths
from aiohttp import web
from pydantic import BaseModel, ValidationError

from ...consistentid.checked import STRICT, describe, parse_json
from ...consistentid.errors import ConsistentIDError, describe_os_error
from ...consistentid.model_files.background import Downloads
from ...consistentid.model_files.find import Places
from ...consistentid.model_files.manifest import Model, read_manifest
from ...consistentid.model_files.records import Records
from ...consistentid.model_files.state import tell_state
from .folders import list_search_folders

MOST_BYTES = 4096
JSON = "application/json"
DOWNLOADS = Downloads()
ROUTES = web.RouteTableDef()
atexit.register(DOWNLOADS.stop_all)


class RequestError(ConsistentIDError):
    """A request that is refused, with the HTTP status that says so."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class ModelRequest(BaseModel):
    """The body of a request: the id of a model."""

    model_config = STRICT

    model: str


class DownloadRequest(ModelRequest):
    """The licence needs to be accepted once."""

    accept_licence: bool


Body = TypeVar("Body", bound=BaseModel)


def register() -> None:
    """Add the routes to ComfyUI's server, where one is being started."""
    server = find_server()
    for route in _list_routes() if server else ():
        server.routes.route(route.method, route.path)(route.handler)


def find_server() -> Any:
    """ComfyUI's PromptServer; None where no server is being started."""
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)


def answer(handle: Callable[[web.Request], Awaitable[dict]]):
    """Turn what a handler returns or raises into JSON."""

    @wraps(handle)
    async def handler(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handle(request))
        except RequestError as error:
            return web.json_response({"error": str(error)}, status=error.status)
        except ConsistentIDError as error:
            return web.json_response({"error": str(error)}, status=409)
        except OSError as error:
            return web.json_response({"error": describe_os_error(error)}, status=500)

    return handler


@ROUTES.get("/consistentid/models")
@answer
async def list_models(request: web.Request) -> dict:
    return {"models": await asyncio.to_thread(_describe_models)}


@ROUTES.get("/consistentid/downloads")
@answer
async def list_downloads(request: web.Request) -> dict:
    """Running and failed downloads by model id; bytes, null where not known yet."""
    listed = {}
    for id, download in DOWNLOADS.list().items():
        progress = download.progress
        listed[id] = {
            "state": download.kind,
            "error": download.error,
            "file": progress and progress.file,
            "done": progress and progress.done,
            "total": progress and progress.total,
        }
    return {"downloads": listed}


@ROUTES.post("/consistentid/download")
@answer
async def start_download(request: web.Request) -> dict:
    body = await _read_body(request, DownloadRequest)
    await asyncio.to_thread(_start, _choose_model(body.model), body.accept_licence)
    return {}


@ROUTES.post("/consistentid/cancel")
@answer
async def cancel_download(request: web.Request) -> dict:
    """What has come is kept, and the next download goes on from there."""
    body = await _read_body(request, ModelRequest)
    DOWNLOADS.stop(_choose_model(body.model))
    return {}


@ROUTES.route("*", "/consistentid/{path:.*}")
@answer
async def refuse(request: web.Request) -> dict:
    paths = {route.path for route in _list_routes()} - {"/consistentid/{path:.*}"}
    known = request.path.removeprefix("/api") in paths
    raise RequestError(405 if known else 404, f"{request.method} {request.path} is not offered by this pack.")


def _list_routes() -> list[web.RouteDef]:
    return [route for route in ROUTES if isinstance(route, web.RouteDef)]


def choose_places(model: Model) -> Places:
    """ComfyUI's folders for this kind of model; a download goes to the first that exists."""
    kind, _, inside = model.folder.partition("/")
    homes = [Path(folder) for folder in folder_paths.get_folder_paths(kind)]
    home = next((folder for folder in homes if folder.is_dir()), Path(folder_paths.models_dir) / kind)
    return Places(tuple(list_search_folders(model)), home / inside / model.name)


def _describe_models() -> list[dict]:
    records = Records(Path(folder_paths.models_dir))
    return [_describe_model(model, records) for model in read_manifest().values()]


def _describe_model(model: Model, records: Records) -> dict:
    state = tell_state(model, choose_places(model), records)
    return {
        "id": model.id,
        "title": model.title,
        "purpose": model.purpose,
        "name": model.name,
        "needed_for": model.needed_for,
        "size": model.size or (state.path.stat().st_size if state.path.is_file() else None),
        "licence": model.licence,
        "consequence": model.consequence,
        "page": model.card,
        "accepted": records.has_accepted(model),
        "by_hand": model.advice if model.is_manual else "",
        "state": state.kind,
        "path": _shorten(state.path),
        "problem": state.problem,
    }


def _shorten(path: Path) -> str:
    """models/... for what is in ComfyUI's own models folder."""
    models = Path(folder_paths.models_dir)
    return (models.name / path.relative_to(models)).as_posix() if path.is_relative_to(models) else str(path)


def _start(model: Model, accept_licence: bool) -> None:
    records = Records(Path(folder_paths.models_dir))
    if model.is_manual:
        raise RequestError(409, model.advice)
    if accept_licence:
        records.accept(model)
    elif not records.has_accepted(model):
        raise RequestError(403, f"Accept the licence of {model.title} first: {model.licence}. {model.consequence}")
    DOWNLOADS.start(model, records.models_folder, choose_places(model))


def _choose_model(id: str) -> Model:
    models = read_manifest()
    if id not in models:
        raise RequestError(404, f"There is no such model. There are: {', '.join(models)}.")
    return models[id]


async def _read_body(request: web.Request, kind: type[Body]) -> Body:
    """What a request from this server's own pages says."""
    _require_same_origin(request)
    if request.content_type != JSON:
        raise RequestError(415, f"The request is {request.content_type}; send {JSON}.")
    try:
        return kind.model_validate(parse_json(await request.clone(client_max_size=MOST_BYTES).read()))
    except web.HTTPRequestEntityTooLarge as error:
        raise RequestError(413, f"The request has more than {MOST_BYTES} bytes.") from error
    except ValidationError as error:  # a ValueError too
        raise RequestError(400, f"The request cannot be read: {describe(error)}.") from error
    except (ValueError, web.RequestPayloadError) as error:
        raise RequestError(400, "The request is not JSON.") from error


def _require_same_origin(request: web.Request) -> None:
    """Browsers state where a request comes from, and no page can change that; programs state nothing.

    On plain http they state the origin alone, which is another than the host where a proxy gives the server's own
    address as that. Then the panel is known by a header that no page of another site can send: browsers would ask the
    server first, and ComfyUI allows it to nobody, not even with --enable-cors-header.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site:
        foreign = site != "same-origin"
    else:
        is_host = origin is None or origin.partition("://")[2].lower() == request.host.lower()
        foreign = not is_host and request.headers.get("X-Requested-With") != "ConsistentID"
    if foreign:
        raise RequestError(403, "The request comes from another site.")
