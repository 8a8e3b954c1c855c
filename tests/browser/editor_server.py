"""A ComfyUI server for the browser: the pack, small models, test photos, and settings that keep dialogs away."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from run_files import write_models, write_pictures

from quickstart.comfyui_server import running_server
from scripts.workflows.files import ROOT

SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.Window.UnloadConfirmation": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Locale": "en",
    "Comfy.UseNewMenu": "Top",
    "Comfy.VueNodes.Enabled": False,
}


@dataclass(frozen=True)
class EditorServer:
    """address: http://127.0.0.1:PORT. folder: has input, output, temp, user, models and server.log.

    standins: {node id of a loader: (its field, the stand-in's name in the loader's list)}, for SD1.5.
    """

    address: str
    folder: Path
    standins: dict[str, tuple[str, str]]


@contextmanager
def run_editor_server(comfyui: Path, folder: Path):
    """Yield an EditorServer; it has ended when the block is left."""
    settings = folder / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "stand_ins"))
        import standins
        from standins_files import write_safetensors

        models = standins.open_folder()
        files = standins.write_for_workflows(models, "sd15", comfyui)
        write_pictures(folder / "input")
        write_models(folder / "models", {"sd15": models / standins.CHECKPOINT["sd15"]}, write_safetensors)
        with running_server(comfyui, [models], True, folder) as address:
            yield EditorServer(address, folder, files)
