"""A ComfyUI server of our own: the pack and nothing else, in a scratch folder, on a free port of this machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from . import REPO
from .failure import Failure
from .kept_process import end_kept, start_kept

HOST_FOLDER = REPO / ".cache" / "host"
PACK = "comfyui-consistentid"
START_SECONDS = 180


@contextmanager
def running_server(comfyui, model_folders, on_cpu, folder=HOST_FOLDER, other_packs=()):
    """Yield the address of a started server; it and its children are gone when the block is left or this process ends.

    model_folders: like ComfyUI/models, searched in this order. `folder` gets input, output, temp, user and the log.
    other_packs: names of those in folder/custom_nodes that are loaded too.
    """
    for name in ("custom_nodes", "input", "output", "temp", "user", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _link_pack(folder / "custom_nodes" / PACK)
    port = _free_port()
    address, log = f"http://127.0.0.1:{port}", folder / "server.log"
    model_paths = _write_model_paths(folder, model_folders)
    command = _command(comfyui, folder, port, model_paths, [PACK, *other_packs], on_cpu)
    with open(log, "wb") as output:
        process = start_kept(command, cwd=comfyui, stdout=output, stderr=subprocess.STDOUT, env=_environment())
        try:
            _wait_until_ready(process, address)
            yield address
        except Failure as failure:
            if process.poll() is None:
                raise
            ending = f"ComfyUI has ended (exit code {process.returncode}). The end of its log, {log}:"
            raise Failure(f"{failure}\n{ending}\n{log_tail(folder)}") from failure
        finally:
            end_kept(process)


def log_tail(folder=HOST_FOLDER, lines=25):
    text = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def get_json(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def _command(comfyui, folder, port, model_paths, packs, on_cpu):
    command = [sys.executable, "main.py", "--port", str(port), "--base-directory", str(folder)]
    for kind in ("input", "output", "user"):
        command += [f"--{kind}-directory", str(folder / kind)]
    command += ["--temp-directory", str(folder)]  # ComfyUI adds temp/ itself
    command += ["--database-url", f"sqlite:///{(folder / 'comfyui.db').as_posix()}"]
    command += ["--extra-model-paths-config", str(model_paths), "--disable-auto-launch"]
    command += ["--disable-api-nodes", "--disable-all-custom-nodes", "--whitelist-custom-nodes", *packs]
    return command + (["--cpu"] if on_cpu else [])


def _environment():
    """With two cores, OpenMP's spinning threads starve each other: ten times slower.

    ComfyUI runs nothing more after an error text that its log cannot take, so the log takes every letter.
    """
    passive = {"OMP_WAIT_POLICY": "PASSIVE"} if (os.cpu_count() or 1) <= 2 else {}
    return {**passive, **os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}


def _link_pack(link):
    if link.exists() and link.resolve() == REPO:
        return
    if link.is_symlink():
        link.unlink()
    elif os.path.lexists(link):
        _remove_folder(link)
    try:
        if os.name == "nt":
            import _winapi

            _winapi.CreateJunction(str(REPO), str(link))
        else:
            link.symlink_to(REPO, target_is_directory=True)
    except OSError:
        shutil.copytree(REPO, link, ignore=shutil.ignore_patterns(".*", "output", "tests"))


def _remove_folder(path):
    """A folder, or a junction of Windows, whose target stays."""
    try:
        os.rmdir(path)
    except OSError:
        shutil.rmtree(path)


def _write_model_paths(folder, model_folders):
    """An extra_model_paths file naming every subfolder of each model folder. JSON is YAML too."""
    sections = {
        f"models_{number}": {"base_path": str(models)} | {f.name: f.name for f in models.iterdir() if f.is_dir()}
        for number, models in enumerate(model_folders)
    }
    path = folder / "model_paths.yaml"
    path.write_text(json.dumps(sections, indent=1), encoding="utf-8")
    return path


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(process, address):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failure("ComfyUI did not start.")
        try:
            get_json(f"{address}/system_stats")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise Failure(f"ComfyUI did not answer within {START_SECONDS} s. The end of its log:\n{log_tail()}")
