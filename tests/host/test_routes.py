"""The routes behind the models panel, on a server in this process: what they tell, do, and refuse."""

import asyncio
import contextlib
import gzip
import importlib.util
import json
import random
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

FILE_SERVER = Path(__file__).resolve().parents[1] / "core" / "file_server.py"
PAGE = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
KINDS = ("consistentid", "facexlib", "insightface", "LLM", "clip_vision", "checkpoints")
NAME = "ConsistentID_SDXL-v1.bin"
CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def folders(host, tmp_path, monkeypatch):
    """ComfyUI's model folders, all in tmp_path/models; returns that."""
    import folder_paths

    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setattr(folder_paths, "models_dir", str(models))
    for kind in KINDS:
        suffixes = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(models / kind)], suffixes))
    folder_paths.filename_list_cache.clear()
    return models


@pytest.fixture
def source(host, monkeypatch):
    """A server whose "/file" is what every model of one file comes from."""
    spec = importlib.util.spec_from_file_location("file_server", FILE_SERVER)
    file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file_server)
    models = host.consistentid.model_files
    with file_server.serve() as files:
        files["/file"] = file_server.Served(CONTENT)
        address = models.transfer.Address(f"{files.url}/file", len(CONTENT))
        monkeypatch.setattr(models.download, "locate_file", lambda file: address)
        yield files


@pytest.fixture
def visit(host, folders):
    """Run a coroutine function with a client of a server that has our routes, and no other check of origins."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    def visit(scenario):
        async def run():
            app = web.Application(client_max_size=100 << 20)
            app.add_routes(host.nodes.server.routes.ROUTES)
            async with TestClient(TestServer(app)) as client:
                return await scenario(client)

        return asyncio.run(run())

    yield visit
    host.nodes.server.routes.DOWNLOADS.stop_all()
    host.nodes.server.routes.DOWNLOADS._downloads.clear()


async def post(client, path, body, **headers) -> tuple[int, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body)
    async with client.post(f"/consistentid/{path}", data=data, headers={**PAGE, **headers}) as response:
        return response.status, await response.json()


async def read(client, path):
    async with client.get(f"/consistentid/{path}") as response:
        assert response.status == 200
        return (await response.json())[path]


async def wait_for(client, condition):
    for _ in range(400):
        downloads = await read(client, "downloads")
        if condition(downloads):
            return downloads
        await asyncio.sleep(0.02)
    raise AssertionError(downloads)


async def find_model(client, id: str) -> dict:
    return next(model for model in await read(client, "models") if model["id"] == id)


def list_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_models_are_listed_with_what_a_person_needs_to_decide(visit, folders):
    (folders / "facexlib").mkdir()
    (folders / "facexlib/parsing_bisenet.pth").write_bytes(b"x")
    listed = {model["id"]: model for model in visit(lambda client: read(client, "models"))}
    clip, parser = listed["clip_vision"], listed["face_parser"]
    assert (clip["state"], clip["size"], clip["accepted"]) == ("missing", 2528373448, False)
    assert clip["path"] == f"models/clip_vision/{clip['name']}" and "MIT" in clip["licence"]
    assert clip["page"] == "https://huggingface.co/h94/IP-Adapter"
    assert parser["state"] == "wrong size" and "1 bytes instead of 53,289,463" in parser["problem"]
    assert "drive.google.com" in listed["face2diffusion"]["by_hand"]


def test_a_download_lands_where_the_loaders_see_it(host, visit, folders, source, tmp_path):
    import folder_paths

    assert host.nodes.server.folders.list_files("adapter_sdxl") == []
    extra = tmp_path / "extra" / "adapters"
    extra.mkdir(parents=True)
    folder_paths.folder_names_and_paths["consistentid"][0].insert(0, str(extra))

    async def scenario(client):
        assert await post(client, "download", {"model": "adapter_sdxl", "accept_licence": True}) == (200, {})
        await wait_for(client, lambda downloads: not downloads)
        return await find_model(client, "adapter_sdxl")

    model = visit(scenario)
    assert (model["state"], model["accepted"], model["path"]) == ("found", True, str(extra / NAME))
    assert (extra / NAME).read_bytes() == CONTENT and list_files(extra) == {NAME}
    assert host.nodes.server.folders.list_files("adapter_sdxl") == [NAME]


def test_without_the_licence_nothing_is_asked_for(visit, folders, source):
    async def scenario(client):
        return await post(client, "download", {"model": "adapter_sdxl", "accept_licence": False})

    status, answer = visit(scenario)
    assert status == 403 and "MIT (model card)" in answer["error"]
    assert source.asked == [] and list_files(folders) == set()


def test_a_download_tells_its_progress_and_stops_when_asked(visit, folders, source):
    go_on = threading.Event()

    def creep(handler, served):
        handler.send(200, served.content[:200000], {"ETag": served.etag}, length=len(served.content))
        go_on.wait(20)
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(served.content[200000:])

    source["/file"].faults = [creep]
    request = {"model": "adapter_sdxl", "accept_licence": True}

    async def scenario(client):
        await post(client, "download", request)
        seen = (await wait_for(client, lambda downloads: downloads["adapter_sdxl"]["done"]))["adapter_sdxl"]
        again = await post(client, "download", request)
        stopped = await post(client, "cancel", {"model": "adapter_sdxl"})
        go_on.set()
        await wait_for(client, lambda downloads: not downloads)
        late = await post(client, "cancel", {"model": "adapter_sdxl"})
        part = (folders / "consistentid" / f"{NAME}.partial").stat().st_size
        state = (await find_model(client, "adapter_sdxl"))["state"]
        await post(client, "download", request)
        await wait_for(client, lambda downloads: not downloads)
        return seen, again, stopped, late, part, state

    seen, again, stopped, late, part, state = visit(scenario)
    assert (seen["state"], seen["file"], seen["total"]) == ("downloading", NAME, len(CONTENT))
    assert 0 < seen["done"] < len(CONTENT) and 0 < part < len(CONTENT) and state == "missing"
    assert again[0] == 409 and stopped[0] == 200 and late[0] == 409
    assert source.asked[-1][1] == f"bytes={part}-"
    assert (folders / "consistentid" / NAME).read_bytes() == CONTENT


def test_a_failed_download_says_why_until_it_is_tried_again(visit, folders, source):
    request = {"model": "adapter_sdxl", "accept_licence": True}
    served = source.pop("/file")

    async def scenario(client):
        await post(client, "download", request)
        failed = await wait_for(client, lambda downloads: downloads["adapter_sdxl"]["state"] == "failed")
        source["/file"] = served
        await post(client, "download", request)
        await wait_for(client, lambda downloads: not downloads)
        return failed["adapter_sdxl"]["error"]

    assert "the server answered 404" in visit(scenario)
    assert (folders / "consistentid" / NAME).is_file()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://elsewhere.example"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site", "X-Requested-With": "ConsistentID"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://elsewhere.example", "X-Requested-With": "x"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_a_page_of_another_site_can_start_nothing(host, visit, folders, headers, status):
    request = {"model": "adapter_sdxl", "accept_licence": True}

    async def scenario(client):
        return await post(client, "download", request, **headers)

    assert visit(scenario)[0] == status
    assert not host.nodes.server.routes.DOWNLOADS.list() and list_files(folders) == set()


def test_this_server_s_own_page_may(visit, folders):
    async def scenario(client):
        own = {"Sec-Fetch-Site": "", "Origin": f"http://{client.host}:{client.port}"}
        return await post(client, "cancel", {"model": "adapter_sdxl"}, **own)

    assert visit(scenario) == (409, {"error": "ConsistentID adapter for SDXL is not being downloaded."})


def test_nor_is_the_panel_refused_behind_a_proxy_on_plain_http(visit, folders):
    """Browsers then state the origin alone, and the proxy the server's own address as host."""

    async def scenario(client):
        panel = {"Sec-Fetch-Site": "", "Origin": "http://pictures.example", "X-Requested-With": "ConsistentID"}
        return await post(client, "cancel", {"model": "adapter_sdxl"}, **panel)

    assert visit(scenario)[0] == 409


ODD = (
    *("../../etc/passwd", "adapter_sdxl/..", "..\\..\\x", "/etc/passwd", "C:\\x", "http://127.0.0.1/x", "", "\x00"),
    *("adapter_sdxl\n", "ADAPTER_SDXL", "\ud800", "𝔘" * 200, "__class__", None, True, 0, -1, 1e400, [], ["x"], {}),
)


def make_requests(seed: int):
    """(method, path, body, headers) that no page would send."""
    random_one = random.Random(seed)
    for path in ("download", "cancel"):
        for odd in ODD:
            yield "POST", path, json.dumps({"model": odd, "accept_licence": True}).encode(), {}
            yield "POST", path, json.dumps(odd).encode(), {}
            yield "POST", path, json.dumps({"model": "adapter_sdxl", "accept_licence": odd, "path": odd}).encode(), {}
        for size in (0, 1, 7, 60, 2000):
            yield "POST", path, random_one.randbytes(size), {}
        for _ in range(100):
            body = bytearray(b'{"model": "adapter_sdxl", "accept_licence": false}')
            for place in random_one.sample(range(len(body)), random_one.randint(1, 8)):
                body[place] = random_one.randrange(256)
            yield "POST", path, bytes(body), {}
        for body in (b"[" * 4000, b'{"model":' * 400, b"9" * 4090, b"\xff\xfe{\x00", b"x" * 5000, bytes(3 << 20)):
            yield "POST", path, body, {}
        yield "POST", path, gzip.compress(bytes(3 << 20)), {"Content-Encoding": "gzip"}
        yield "POST", path, b"{}", {"Content-Type": "application/json; charset=nonsense"}
        yield "POST", path, b"{}", {"Content-Type": ";;;="}
        yield "GET", path, b"", {}
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "POST"):
        yield method, "models", b"{}", {}
    for path in (
        "",
        "x",
        "models/%2e%2e%2fx",
        "%2e%2e%2f%2e%2e%2fetc/passwd",
        "download/adapter_sdxl",
        "models%00",
        "..%5c",
    ):
        yield "GET", path, b"", {}


def test_odd_requests_are_refused_in_json_and_leave_no_trace(host, visit, folders, tmp_path):
    from yarl import URL

    async def scenario(client):
        answers = []
        for method, path, body, headers in make_requests(seed=7):
            url = URL(f"/consistentid/{path}", encoded=True)
            async with client.request(method, url, data=body, headers={**PAGE, **headers}) as response:
                answers.append((method, path, body[:60], response.status, response.content_type, await response.text()))
        return answers

    answers = visit(scenario)
    assert len(answers) > 350
    for request in answers:
        *_, status, kind, text = request
        assert 400 <= status < 500, request
        assert kind == "application/json" and list(json.loads(text)) == ["error"], request
    assert not host.nodes.server.routes.DOWNLOADS.list() and list_files(tmp_path) == set()
