"""Loads the repository's packages and, with a ComfyUI, the pack as `comfyui_consistentid`, all by path.

The repository root is never put on sys.path: its `nodes/` would hide ComfyUI's own nodes.py.
"""

import importlib.util
import os
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path

# Spinning OpenMP threads starve each other on two cores: the same tests then take several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
torch.set_num_threads(2)


def load_package(name: str, folder: Path):
    return load_file(name, folder / "__init__.py", [str(folder)])


def load_file(name: str, path: Path, places: list[str] | None = None):
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


for package in ("consistentid", "zoo", "quickstart", "scripts", "benchmarks"):
    load_package(package, ROOT / package)
load_package("golden_data", ROOT / "tests" / "golden")


run_report = load_file("run_report", ROOT / "tests" / "run_report.py")


def find_comfyui() -> Path | None:
    """One ComfyUI: the first that COMFYUI_PATH names. `python quickstart test` goes through all of them."""
    named = os.environ.get("COMFYUI_PATH", "").split(os.pathsep)[0]
    folder = Path(named).expanduser() if named else Path.home() / "comfy" / "ComfyUI"
    return folder if (folder / "main.py").is_file() else None


COMFYUI = find_comfyui()


def pytest_addoption(parser):
    run_report.add_options(parser)


def pytest_configure(config):
    config.pluginmanager.register(run_report.RunReport())


def pytest_collection_modifyitems(items):
    if COMFYUI:
        return
    skip = pytest.mark.skip(reason="no ComfyUI: set COMFYUI_PATH, or install one to ~/comfy/ComfyUI")
    for item in filter(run_report.needs_host, items):
        item.add_marker(skip)


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The ComfyUI folder that host tests run against."""
    return COMFYUI


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """The pack, loaded into this process as ComfyUI would, on the CPU and with an empty base directory."""
    sys.path.insert(0, str(COMFYUI))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    args.base_directory = str(tmp_path_factory.mktemp("comfyui"))
    pack = load_package("comfyui_consistentid", ROOT)
    with torch.inference_mode():
        yield pack


@pytest.fixture(scope="session")
def load_module():
    """Loads a file by path; later imports find it by its name."""
    return lambda path: load_file(path.stem, path)


@pytest.fixture(scope="session")
def face_package(load_module, tmp_path_factory) -> Path:
    """An InsightFace package, det_10g.onnx and w600k_r50.onnx, that knows one face: the astronaut's."""
    folder = tmp_path_factory.mktemp("face analysis") / "buffalo_l"
    load_module(ROOT / "tests" / "stand_ins" / "standins.py").write_face_analysis(folder)
    return folder


@pytest.fixture
def kill_worker():
    """Kills a process of Ray when it is first called while one works; .killed has its number then."""
    import psutil

    def read_name(process) -> str:
        try:
            return "".join(process.cmdline()[:1])
        except psutil.Error:  # it ended meanwhile
            return ""

    def kill() -> None:
        below = () if kill.killed else psutil.Process().children(recursive=True)
        for worker in [process for process in below if "MapWorker" in read_name(process)][:1]:
            kill.killed.append(worker.pid)
            worker.kill()

    kill.killed = []
    return kill


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """The address of an S3 server, a process of its own: moto_server, of MOTO_SERVER or on the path."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install s3fs")
    program = shutil.which(os.environ.get("MOTO_SERVER", "moto_server"))
    if not program:
        pytest.skip('no S3 server: pip install "moto[server]" into an environment of its own, name it by MOTO_SERVER')
    from quickstart.kept_process import end_kept, start_kept

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1000000000"}
    server = start_kept([program, "-H", address[0], "-p", address[1]], stdout=log, stderr=log, env=environment)
    while server.poll() is None:
        try:
            socket.create_connection(address, 1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://{address[0]}:{address[1]}"
    end_kept(server)
    log.close()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """An empty bucket of the S3 server, `s3://...`, for this process and those that it starts."""
    import fsspec

    names = {"AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    files = fsspec.get_filesystem_class("s3")
    files.clear_instance_cache()  # which holds the address and credentials of the test before
    name = f"bucket-{secrets.token_hex(8)}"
    files().mkdir(name)
    yield f"s3://{name}"
    files.clear_instance_cache()


@pytest.fixture(scope="session")
def zoo_models() -> Path:
    """The small models that come with the pack."""
    return ROOT / "zoo" / "models"


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """NASA's public-domain portrait of Eileen Collins, RGB uint8 [512, 512, 3]."""
    from skimage.data import astronaut

    return astronaut()
