"""A real ComfyUI server is started, used, and gone afterwards."""

import os
import re
import signal
import subprocess

import pytest
from PIL import Image
from process_trees import await_end, list_tree, start_script

from quickstart.comfyui_queue import run_graph
from quickstart.comfyui_server import get_json, running_server
from quickstart.failure import Failure

pytestmark = [pytest.mark.host, pytest.mark.server, pytest.mark.slow]

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 16, "batch_size": 2, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
    "3": {"class_type": "PreviewImage", "_meta": {"title": "Look"}, "inputs": {"images": ["1", 0]}},
}


@pytest.fixture(scope="module")
def host_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def address(comfyui, host_folder):
    with running_server(comfyui, [], on_cpu=True, folder=host_folder) as address:
        yield address


def test_a_run_gives_its_pictures(address, host_folder):
    pictures = {node: output["images"] for node, output in run_graph(address, GRAPH).items()}
    assert {node: len(images) for node, images in pictures.items()} == {"2": 2, "3": 2}
    for image in (*pictures["2"], *pictures["3"]):
        assert Image.open(host_folder / image["type"] / image["filename"]).getpixel((0, 0)) == (0, 0, 255)


def test_nothing_of_the_users_is_written(address, comfyui, host_folder, capsys):
    run_graph(address, GRAPH, "Portrait 2 of 3")
    assert re.fullmatch(r"Portrait 2 of 3: drawn in \d+ s\n", capsys.readouterr().out)
    assert (host_folder / "comfyui.db").exists()
    assert not any((comfyui / "output").glob("blue*"))


def test_a_refused_graph_names_node_and_reason(address):
    faulty = GRAPH | {"3": {**GRAPH["3"], "inputs": {"images": ["9", 0]}}}
    with pytest.raises(Failure, match="refused"):
        run_graph(address, faulty)
    wide = GRAPH | {"4": {"class_type": "EmptyImage", "_meta": {"title": "Huge"}, "inputs": {"width": "wide"}}}
    wide["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    with pytest.raises(Failure, match=r"Huge: .*wide"):
        run_graph(address, wide)


def test_a_failing_node_is_named(address, host_folder):
    (host_folder / "input" / "broken.png").write_text("not a picture")
    load = {"class_type": "LoadImage", "_meta": {"title": "Your photo"}, "inputs": {"image": "broken.png"}}
    graph = {"1": load, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    with pytest.raises(Failure, match=r"(?s)Your photo failed:.*cannot identify"):
        run_graph(address, graph)


def test_a_dying_server_shows_its_log(comfyui, tmp_path):
    (tmp_path / "broken").mkdir()
    for name in ("main.py", "comfyui_version.py"):
        (tmp_path / "broken" / name).write_text("raise SystemExit('no such device')")
    with (
        pytest.raises(Failure, match=r"(?s)did not start.*exit code 1.*no such device"),
        running_server(tmp_path / "broken", [], on_cpu=True, folder=tmp_path / "host"),
    ):
        pytest.fail("a server that never started was handed out")


CLIENT = """
import signal
from pathlib import Path
from quickstart.comfyui_server import running_server
with running_server(Path(sys.argv[1]), [], on_cpu=True, folder=Path(sys.argv[2])) as address:
    print(address, flush=True)
    signal.pause()
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_client(comfyui, tmp_path, wish):
    client, address = start_script(CLIENT, comfyui, tmp_path, stderr=subprocess.DEVNULL)
    tree = list_tree(client.pid)
    assert get_json(f"{address}/system_stats") and len(tree) >= 3, "client, keeper, server"
    client.send_signal(wish)
    assert client.wait(30) != 0
    await_end(tree, 15)
    with pytest.raises(OSError):
        get_json(f"{address}/system_stats")
