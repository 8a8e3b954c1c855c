"""Every workflow in `workflows/`: the file people open is drawn from its API twin in `workflows/api/`."""

import itertools
import json

import pytest
from conversion import complete, convert

from consistentid.model_files.manifest import read_manifest
from consistentid.model_files.table import describe_for_workflow
from scripts.workflows.draw import draw_all
from scripts.workflows.files import (
    BLUEPRINT_NAMES,
    BLUEPRINTS,
    FILES,
    LAYOUTS,
    NAMES,
    WORKFLOWS,
    list_graphs,
    list_nodes,
    read_blueprint_twin,
    read_twin,
    read_workflow,
)
from scripts.workflows.layout import fold_loaders, read_blueprint, read_layout
from scripts.workflows.models_note import describe_models
from scripts.workflows.node_schemas import Schema, read_schemas
from scripts.workflows.page import MINIMAP, VIEW, list_keys

TITLE_PX = 30

WIDEST, HIGHEST, LEAST_SCALE = 2000, 1000, 0.6
"""Of a workflow, in pixels; below this scale newer editors leave out the text of nodes."""
RESULTS = ("SaveImage", "PreviewImage")

every_workflow = pytest.mark.parametrize("name", NAMES)
every_blueprint = pytest.mark.parametrize("name", BLUEPRINT_NAMES)
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def accepts(input_type: str, output_type: str) -> bool:
    return input_type in ("*", output_type) or output_type in input_type.split(",")


@pytest.fixture(scope="module")
def schemas(host, comfyui) -> dict[str, Schema]:
    return read_schemas(host, comfyui)


def test_every_workflow_is_complete():
    assert {"portrait_sd15", "portrait_sdxl"} <= set(NAMES)
    assert sorted(path.stem for path in WORKFLOWS.glob("*.json")) == NAMES
    assert sorted(path.stem for path in WORKFLOWS.glob("*.jpg")) == NAMES
    assert {path.stem for path in LAYOUTS.glob("*.yaml")} == {name.rsplit("_", 1)[0] for name in NAMES}


@pytest.mark.host
@every_workflow
def test_the_layout_places_everything_once(name, schemas):
    layout = fold_loaders(read_layout(name), read_twin(name), schemas)
    folded = layout.get("subgraphs", [])
    assert all(group.keys() <= {"title", "color", "rows"} for one in layout["columns"] for group in one["groups"])
    placed = [key for one in (layout, *folded) for key in list_keys(one)]
    notes = [*layout["notes"], *describe_models(read_twin(name))]
    assert sorted(map(str, placed)) == sorted([*read_twin(name), *notes, *(str(one["id"]) for one in folded)])


@pytest.mark.host
def test_the_files_are_what_the_layouts_draw(schemas):
    files = draw_all(schemas)
    assert sorted(files) == FILES
    changed = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    assert changed == [], "run: python scripts/workflows"


@pytest.mark.host
@every_blueprint
def test_the_blueprint_is_its_twin_in_one_node(name, schemas):
    layout, twin = read_blueprint(name), read_blueprint_twin(name)
    blueprint = json.loads((BLUEPRINTS / f"{layout['name']}.json").read_text(encoding="utf-8"))
    (node,), (definition,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    assert node["type"] == definition["id"] and definition["name"] == layout["name"]
    assert blueprint["extra"]["BlueprintDescription"] == layout["description"]
    inside, whole = convert(blueprint, schemas), complete(twin, schemas)
    assert inside.keys() == {id for id, one in whole.items() if one["class_type"] not in ("LoadImage", "SaveImage")}
    for id, one in inside.items():
        photos = {key for key, value in whole[id]["inputs"].items() if is_photo(value, twin)}
        assert one["inputs"] == {key: value for key, value in whole[id]["inputs"].items() if key not in photos}
    sockets = [slot["name"] for slot in node["inputs"] if "widget" not in slot]
    assert sockets == [
        name for name, (id, slot) in layout["inputs"].items() if is_photo(twin[str(id)]["inputs"][slot], twin)
    ]


def is_photo(value, twin: dict) -> bool:
    return isinstance(value, list) and twin[value[0]]["class_type"] == "LoadImage"


@every_workflow
def test_the_file_is_a_whole_workflow(name):
    workflow = read_workflow(name)
    ids = [node["id"] for graph in list_graphs(workflow) for node in graph["nodes"]]
    assert workflow["version"] == 0.4
    assert len(set(ids)) == len(ids)
    for graph in list_graphs(workflow):
        links = [link[0] for link in graph["links"]]
        state = graph.get("state") or {"lastNodeId": graph["last_node_id"], "lastLinkId": graph["last_link_id"]}
        assert len(set(links)) == len(links)
        assert state["lastNodeId"] == max(node["id"] for node in graph["nodes"])
        assert state["lastLinkId"] == max(links)
        assert all(node["mode"] == 0 for node in graph["nodes"])
    assert {node["properties"]["Node name for S&R"] for node in list_nodes(workflow).values()} == {
        node["type"] for node in list_nodes(workflow).values()
    }


@every_workflow
def test_both_ends_of_every_link_know_it(name):
    for graph in list_graphs(read_workflow(name)):
        nodes = {node["id"]: node for node in graph["nodes"]}
        inputs = {id: [slot["link"] for slot in node["inputs"]] for id, node in nodes.items()}
        outputs = {id: [slot["links"] for slot in node["outputs"]] for id, node in nodes.items()}
        kinds = {
            id: [[slot["type"] for slot in node[end]] for end in ("inputs", "outputs")] for id, node in nodes.items()
        }
        if "inputNode" in graph:
            start, end = graph["inputNode"]["id"], graph["outputNode"]["id"]
            outputs[start] = [slot["linkIds"] for slot in graph["inputs"]]
            inputs[end] = [link for slot in graph["outputs"] for link in slot["linkIds"]]
            kinds[start] = [[], [slot["type"] for slot in graph["inputs"]]]
            kinds[end] = [[slot["type"] for slot in graph["outputs"]], []]
        for id, source, output, target, slot, kind in graph["links"]:
            assert id in outputs[source][output] and inputs[target][slot] == id
            assert kinds[source][1][output] == kind and accepts(kinds[target][0][slot], kind)
            if source in nodes and target in nodes:
                assert nodes[source]["order"] < nodes[target]["order"]
        known = {link[0] for link in graph["links"]}
        assert {link for slots in inputs.values() for link in slots} - {None} == known
        assert {link for slots in outputs.values() for links in slots for link in links} == known


@every_workflow
def test_nodes_do_not_overlap_and_lie_in_a_group(name):
    for graph in list_graphs(read_workflow(name)):
        check_page(graph)


def check_page(graph: dict) -> None:
    areas = {node["id"]: find_box(node) for node in graph["nodes"]}
    groups = {
        number: (x, y, x + width, y + height)
        for number, group in enumerate(graph["groups"])
        for x, y, width, height in [group["bounding"]]
    }
    for areas_apart in (areas, groups):
        for (one, a), (two, b) in itertools.combinations(areas_apart.items(), 2):
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3], f"{one} and {two} overlap"
    for id, (left, top, right, bottom) in areas.items():
        assert any(x <= left and y <= top and right <= x2 and bottom <= y2 for x, y, x2, y2 in groups.values()), (
            f"node {id} is in no group"
        )


def find_box(node: dict) -> tuple[float, float, float, float]:
    """Left, top, right, bottom with the title, which is all of a collapsed node."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE_PX, x + width, y + (0 if node["flags"].get("collapsed") else height)


@every_workflow
def test_the_saved_view_holds_everything(name):
    """In a window of 1366x768, between the editor's bars; what comes out is the largest node, and free of the map."""
    workflow = read_workflow(name)
    (x, y), scale = workflow["extra"]["ds"]["offset"], workflow["extra"]["ds"]["scale"]
    groups = [group["bounding"] for group in workflow["groups"]]
    right, bottom = max(x + width for x, _, width, _ in groups), max(y + height for _, y, _, height in groups)
    assert right <= WIDEST and bottom <= HIGHEST and scale >= LEAST_SCALE
    assert abs(x * scale - VIEW[0]) < 1 and abs(y * scale - VIEW[1]) < 1, "groups begin at 0, 0"
    assert (right + x) * scale <= VIEW[2] + 1 and (bottom + y) * scale <= VIEW[3] + 1
    open_nodes = [node for node in workflow["nodes"] if not node["flags"].get("collapsed")]
    largest = max(open_nodes, key=lambda node: node["size"][0] * node["size"][1])
    left, _, _, lowest = find_box(largest)
    assert largest["type"] in RESULTS and left == max(find_box(node)[0] for node in open_nodes)
    assert (lowest + y) * scale <= MINIMAP[1] or (find_box(largest)[2] + x) * scale <= MINIMAP[0]


@pytest.mark.host
@every_workflow
def test_titles_are_stored_where_they_tell_nodes_apart(name, schemas):
    """All others are the editor's, in the language of whoever opens the workflow."""
    for graph in list_graphs(read_workflow(name)):
        types = [node["type"] for node in graph["nodes"]]
        titled = [node for node in graph["nodes"] if "title" in node and node["type"] in schemas]
        assert [node["title"] for node in titled if types.count(node["type"]) == 1] == []
        assert [node["title"] for node in titled if node["title"] == schemas[node["type"]].title] == []


@every_workflow
def test_loaders_say_where_their_file_is_from(name):
    files = {model.name: entry for model in read_manifest().values() if (entry := describe_for_workflow(model))}
    told = []
    for node in list_nodes(read_workflow(name)).values():
        entries = node["properties"].get("models", [])
        assert entries == [files[value] for value in node["widgets_values"] if value in files]
        told += entries
    assert all(entry["url"].startswith("https://") and entry["directory"] for entry in told)
    named = {value for node in read_twin(name).values() for value in node["inputs"].values() if str(value) in files}
    assert named == {entry["name"] for entry in told}
    assert bool(named) == bool(describe_models(read_twin(name))) == (not name.endswith("_zoo"))


@pytest.mark.host
@every_workflow
def test_the_workflow_converts_to_its_twin(name, schemas):
    assert convert(read_workflow(name), schemas) == complete(read_twin(name), schemas)


@pytest.mark.parametrize("name", [name for name in NAMES if "app" in read_layout(name)])
def test_the_form_asks_for_widgets_and_shows_the_picture(name):
    workflow = read_workflow(name)
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    form = workflow["extra"]["linearData"]
    for id, widget in form["inputs"]:
        assert widget in [slot["name"] for slot in nodes[id]["inputs"] if "widget" in slot and slot["link"] is None]
    assert "seed" in [widget for _, widget in form["inputs"]]
    assert [nodes[id]["type"] for id in form["outputs"]] == ["SaveImage"]
    assert workflow["extra"]["linearMode"] is False, "the notes are beside the graph only"


@every_file
def test_every_widget_has_a_value(path):
    for graph in list_graphs(json.loads(path.read_text(encoding="utf-8"))):
        assert [node["id"] for node in graph["nodes"] if None in node["widgets_values"]] == []


@pytest.mark.host
@every_file
def test_no_node_is_deprecated(path, schemas):
    types = {node["type"] for node in list_nodes(json.loads(path.read_text(encoding="utf-8"))).values()}
    assert [type for type in types if schemas[type].is_deprecated] == []


@pytest.mark.host
@every_workflow
def test_what_a_workflow_sets_is_not_folded_away(name, schemas):
    for id, node in read_twin(name).items():
        for key, value in node["inputs"].items():
            options = schemas[node["class_type"]].inputs[key].options
            assert not options.get("advanced") or value == options.get("default", value), f"{key} of node {id}"
