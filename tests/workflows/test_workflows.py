"""Every workflow in `workflows/`: the file people open is drawn from its API twin in `workflows/api/`."""

import itertools

import pytest
from draw import draw_workflow, write_json
from node_schemas import Schema, read_schemas
from PIL import Image
from workflow_files import (
    LAYOUTS,
    NAMES,
    WORKFLOWS,
    list_nodes,
    read_layout,
    read_titled_twin,
    read_twin,
    read_workflow,
)

from consistentid.models.manifest import read_manifest
from consistentid.models.table import describe_for_workflow

TITLE_PX = 30
THUMBNAIL_BYTES = 100_000

every_workflow = pytest.mark.parametrize("name", NAMES)


def accepts(input_type: str, output_type: str) -> bool:
    return input_type == "*" or output_type in input_type.split(",")


@pytest.fixture(scope="module")
def schemas(host, comfyui) -> dict[str, Schema]:
    types = {node["class_type"] for name in NAMES for node in read_twin(name).values()}
    return read_schemas(host, comfyui, types)


def test_every_workflow_is_complete():
    assert {"portrait_sd15", "portrait_sdxl"} <= set(NAMES)
    assert sorted(path.stem for path in WORKFLOWS.glob("*.json")) == NAMES
    assert sorted(path.stem for path in WORKFLOWS.glob("*.jpg")) == NAMES
    assert {path.stem for path in LAYOUTS.glob("*.yaml")} == {name.rsplit("_", 1)[0] for name in NAMES}


@pytest.mark.host
@every_workflow
def test_the_layout_places_everything_once(name):
    layout = read_layout(name)
    groups = [group for column in layout["columns"] for group in column["groups"]]
    assert all(group.keys() <= {"title", "color", "rows"} for group in groups)
    placed = [key for group in groups for row in group["rows"] for key in row]
    assert sorted(map(str, placed)) == sorted([*read_twin(name), *layout["notes"], "models"])


@pytest.mark.host
@every_workflow
def test_the_file_is_what_the_layout_draws(name, schemas, request):
    drawn = write_json(draw_workflow(name, read_titled_twin(name), read_layout(name), schemas)) + "\n"
    path = WORKFLOWS / f"{name}.json"
    if request.config.getoption("--draw", default=False):
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn, "run: python -m pytest tests/workflows --draw"


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
        assert nodes[str(source)]["order"] < nodes[str(target)]["order"]
    known = {link[0] for link in workflow["links"]}
    for node in nodes.values():
        assert {slot["link"] for slot in node["inputs"]} - {None} <= known
        assert {id for slot in node["outputs"] for id in slot["links"]} <= known


@every_workflow
def test_nodes_do_not_overlap_and_lie_in_a_group(name):
    workflow = read_workflow(name)
    boxes = {node["id"]: (*node["pos"], *node["size"]) for node in workflow["nodes"]}
    areas = {id: (x, y - TITLE_PX, x + width, y + height) for id, (x, y, width, height) in boxes.items()}
    groups = {
        group["title"]: (x, y, x + width, y + height)
        for group in workflow["groups"]
        for x, y, width, height in [group["bounding"]]
    }
    for areas_apart in (areas, groups):
        for (one, a), (two, b) in itertools.combinations(areas_apart.items(), 2):
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3], f"{one} and {two} overlap"
    for id, (left, top, right, bottom) in areas.items():
        assert any(x <= left and y <= top and right <= x2 and bottom <= y2 for x, y, x2, y2 in groups.values()), (
            f"node {id} is in no group"
        )


@every_workflow
def test_models_that_can_be_downloaded_say_where_from(name):
    known = {model.name: describe_for_workflow(model) for model in read_manifest().values()}
    offered = []
    for node in list_nodes(read_workflow(name)).values():
        safe = [value for value in node["widgets_values"] if str(value).endswith(".safetensors")]
        entries = node["properties"].get("models", [])
        assert entries == [known[value] for value in safe if value in known]
        offered += [entry["directory"] for entry in entries]
    assert "checkpoints" in offered


@every_workflow
def test_the_thumbnail_is_small(name):
    thumbnail = WORKFLOWS / f"{name}.jpg"
    assert thumbnail.stat().st_size <= THUMBNAIL_BYTES
    assert Image.open(thumbnail).format == "JPEG"


@pytest.mark.host
@every_workflow
def test_the_workflow_converts_to_its_twin(name, schemas):
    assert convert(read_workflow(name), schemas) == complete(read_twin(name), schemas)


def convert(workflow: dict, schemas: dict[str, Schema]) -> dict:
    """UI format to API format, as ComfyUI's frontend does it."""
    sources = {id: [str(source), output] for id, source, output, *_ in workflow["links"]}
    graph = {}
    for id, node in list_nodes(workflow).items():
        linked = {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        graph[id] = {"class_type": node["type"], "inputs": read_widgets(node, schemas[node["type"]]) | linked}
    return graph


def read_widgets(node: dict, schema: Schema) -> dict:
    values = iter(node["widgets_values"])
    found = {}
    for name, one in schema.inputs.items():
        if one.is_widget:
            found[name] = next(values)
            for _ in one.hidden_values:
                next(values)
    assert not list(values), f"{node['type']} has more widget values than widgets"
    return found


def complete(graph: dict, schemas: dict[str, Schema]) -> dict:
    """The graph with the defaults of the optional widgets that an API graph may leave out."""
    return {
        id: {
            "class_type": node["class_type"],
            "inputs": {
                name: one.options["default"]
                for name, one in schemas[node["class_type"]].inputs.items()
                if one.is_widget and "default" in one.options
            }
            | node["inputs"],
        }
        for id, node in graph.items()
    }
