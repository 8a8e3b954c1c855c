"""Every workflow in `workflows/`: the file people open, and its API twin in `workflows/api/`, are the same graph."""

import importlib.util
import itertools
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parents[2]
COMFYUI = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI").expanduser()
WORKFLOWS = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
TITLE_PX = 30
THUMBNAIL_BYTES = 100_000
FRONTEND_NODES = ("MarkdownNote", "Note")
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def read_workflow(name: str) -> dict:
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def read_twin(name: str) -> dict:
    """The API twin without titles."""
    return strip(json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8")))


def strip(graph: dict) -> dict:
    """Only what is computed: no titles, and nothing the server adds."""
    return {id: {"class_type": node["class_type"], "inputs": node["inputs"]} for id, node in graph.items()}


def list_nodes(workflow: dict) -> dict[str, dict]:
    """Nodes the server gets to see, by id."""
    return {str(node["id"]): node for node in workflow["nodes"] if node["type"] not in FRONTEND_NODES}


def accepts(input_type: str, output_type: str) -> bool:
    return input_type == "*" or output_type in input_type.split(",")


def test_there_are_workflows():
    assert {"portrait_sd15", "portrait_sdxl"} <= set(WORKFLOWS)


@every_workflow
def test_the_file_is_a_whole_workflow(name):
    workflow = read_workflow(name)
    ids = [node["id"] for node in workflow["nodes"]]
    links = [link[0] for link in workflow["links"]]
    assert workflow["version"] == 0.4
    assert len(set(ids)) == len(ids)
    assert len(set(links)) == len(links)
    assert workflow["last_node_id"] == max(ids)
    assert workflow["last_link_id"] == max(links)
    assert all(node["mode"] == 0 for node in workflow["nodes"])
    assert {node["properties"]["Node name for S&R"] for node in list_nodes(workflow).values()} == {
        node["type"] for node in list_nodes(workflow).values()
    }


@every_workflow
def test_both_ends_of_every_link_know_it(name):
    workflow = read_workflow(name)
    nodes = list_nodes(workflow)
    for id, source, output, target, slot, kind in workflow["links"]:
        start, end = nodes[str(source)]["outputs"][output], nodes[str(target)]["inputs"][slot]
        assert id in start["links"] and end["link"] == id
        assert start["type"] == kind and accepts(end["type"], kind)
    known = {link[0] for link in workflow["links"]}
    for node in nodes.values():
        assert {slot["link"] for slot in node["inputs"]} - {None} <= known
        assert {id for slot in node["outputs"] for id in slot["links"]} <= known


@every_workflow
def test_nodes_do_not_overlap_and_lie_in_a_group(name):
    workflow = read_workflow(name)
    boxes = {node["id"]: (*node["pos"], *node["size"]) for node in workflow["nodes"]}
    areas = {id: (x, y - TITLE_PX, x + width, y + height) for id, (x, y, width, height) in boxes.items()}
    for (one, a), (two, b) in itertools.combinations(areas.items(), 2):
        assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3], f"nodes {one} and {two} overlap"
    groups = [group["bounding"] for group in workflow["groups"]]
    for id, (left, top, right, bottom) in areas.items():
        assert any(
            x <= left and y <= top and right <= x + width and bottom <= y + height for x, y, width, height in groups
        ), f"node {id} is in no group"


@every_workflow
def test_workflow_and_twin_have_the_same_nodes(name):
    nodes = list_nodes(read_workflow(name))
    assert {id: node["type"] for id, node in nodes.items()} == {
        id: node["class_type"] for id, node in read_twin(name).items()
    }


@every_workflow
def test_model_downloads_are_those_of_the_manifest(name):
    manifest = json.loads((ROOT / "models_manifest.json").read_text(encoding="utf-8"))["models"]
    known = {(m["name"], m["folder"], m["source"], m["sha256"]) for m in manifest}
    for node in list_nodes(read_workflow(name)).values():
        for model in node["properties"].get("models", []):
            assert (model["name"], model["directory"], model["url"], model["hash"]) in known
            assert model["name"] in node["widgets_values"]


@every_workflow
def test_the_thumbnail_is_small(name):
    thumbnail = ROOT / "workflows" / f"{name}.jpg"
    assert thumbnail.stat().st_size <= THUMBNAIL_BYTES
    assert Image.open(thumbnail).format == "JPEG"


@pytest.mark.host
@every_workflow
def test_the_workflow_converts_to_its_twin(host, name):
    schemas = read_schemas(host, {node["class_type"] for node in read_twin(name).values()})
    assert convert(read_workflow(name), schemas) == complete(read_twin(name), schemas)


def read_schemas(host, types: set[str]) -> dict[str, dict[str, tuple[str, dict]]]:
    """{node id: {input: (type, options)}} in the order of the node, from the running code."""
    import folder_paths
    from comfy_extras import nodes_preview_any

    nodes = import_file("comfyui_nodes", COMFYUI / "nodes.py")
    Path(folder_paths.get_input_directory()).mkdir(parents=True, exist_ok=True)
    ours = {cls.define_schema().node_id: cls for cls in host.NODES}
    classes = {**nodes.NODE_CLASS_MAPPINGS, **nodes_preview_any.NODE_CLASS_MAPPINGS, **ours}
    return {type: read_inputs(classes[type].INPUT_TYPES()) for type in types}


def import_file(name: str, path: Path):
    """By path: pytest may have put our tests' folder into sys.modules as `nodes`."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_inputs(declared: dict) -> dict[str, tuple[str, dict]]:
    inputs = {**declared.get("required", {}), **declared.get("optional", {})}
    return {
        name: ("COMBO" if isinstance(kind, list) else str(kind), dict(*rest)) for name, (kind, *rest) in inputs.items()
    }


def is_widget(kind: str, options: dict) -> bool:
    return kind in WIDGET_TYPES and not options.get("forceInput")


def convert(workflow: dict, schemas: dict) -> dict:
    """UI format to API format, as ComfyUI's frontend does it."""
    sources = {id: [str(source), output] for id, source, output, *_ in workflow["links"]}
    graph = {}
    for id, node in list_nodes(workflow).items():
        linked = {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        graph[id] = {"class_type": node["type"], "inputs": read_widgets(node, schemas[node["type"]]) | linked}
    return graph


def read_widgets(node: dict, inputs: dict) -> dict:
    values = iter(node["widgets_values"])
    found = {}
    for name, (kind, options) in inputs.items():
        if not is_widget(kind, options):
            continue
        found[name] = next(values)
        for extra in ("control_after_generate", "image_upload"):
            if options.get(extra):
                next(values)
    assert not list(values), f"{node['type']} has more widget values than widgets"
    return found


def complete(graph: dict, schemas: dict) -> dict:
    """The graph with the defaults of the optional widgets that an API graph may leave out."""
    return {
        id: {
            "class_type": node["class_type"],
            "inputs": {
                name: options["default"]
                for name, (kind, options) in schemas[node["class_type"]].items()
                if is_widget(kind, options) and "default" in options
            }
            | node["inputs"],
        }
        for id, node in graph.items()
    }


@pytest.fixture
def quickstart(monkeypatch):
    """quickstart's modules, which import each other by plain names."""
    monkeypatch.syspath_prepend(str(ROOT / "quickstart"))
    import comfyui_queue
    import comfyui_server
    import model_choice

    return SimpleNamespace(queue=comfyui_queue, server=comfyui_server, models=model_choice)


@pytest.mark.server
@pytest.mark.slow
@every_workflow
def test_the_twin_runs_on_a_server(name, quickstart, tmp_path):
    """Over HTTP, small, with stand-ins for all models and in a folder of its own: the picture is noise."""
    twin = read_twin(name)
    Image.fromarray(astronaut()).save(make_folder(tmp_path / "input") / "person.png")
    base = name.rsplit("_", 1)[1]
    folder = quickstart.models.standins.open_folder()
    with quickstart.server.running_server(COMFYUI, [folder], True, tmp_path) as address:
        chosen = dict.fromkeys(quickstart.models.SLOTS[base])
        for slot, file in quickstart.models.write_standins(folder, base, chosen, COMFYUI).items():
            set_inputs(twin, slot.loader, **{slot.field: file})
        set_inputs(twin, "LoadImage", image="person.png")
        set_inputs(twin, "EmptyLatentImage", width=64, height=96)
        set_inputs(twin, "ConsistentID_Sampler", steps=2, start_merge_step=0)
        outputs = quickstart.queue.run_graph(address, twin)
    assert not answers(address)
    shown = {id for id, node in twin.items() if node["class_type"] in ("SaveImage", "PreviewImage", "PreviewAny")}
    assert shown == set(outputs)
    (saved,) = tmp_path.glob("output/*.png")
    picture = Image.open(saved)
    assert picture.size == (64, 96)
    assert strip(json.loads(picture.info["prompt"])) == twin


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def set_inputs(graph: dict, kind: str, **values) -> None:
    for node in graph.values():
        if node["class_type"] == kind:
            assert node["inputs"].keys() >= values.keys()
            node["inputs"] |= values


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/system_stats", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
