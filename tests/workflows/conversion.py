"""From what the editor opens to what the server takes."""

from scripts.workflows.files import list_graphs, list_nodes
from scripts.workflows.node_schemas import Schema


def convert(workflow: dict, schemas: dict[str, Schema]) -> dict:
    """UI format to API format, as ComfyUI's frontend does it; it would put the subgraph's id before those inside."""
    known = list_nodes(workflow)
    graphs = {graph.get("id"): graph for graph in list_graphs(workflow)}
    folded = {node["id"]: node for node in workflow["nodes"] if node["type"] in graphs}

    def find_source(graph: dict, link: int | None) -> list:
        """[[node, output]] in which a link starts, through the borders of subgraphs; [] if it is a widget there."""
        if link is None:
            return []
        source, output = next(one[1:3] for one in graph["links"] if one[0] == link)
        if source in folded:
            inside = graphs[folded[source]["type"]]
            return find_source(inside, inside["outputs"][output]["linkIds"][0])
        if source < 0:
            (instance,) = [node for node in folded.values() if node["type"] == graph["id"]]
            return find_source(workflow, instance["inputs"][output]["link"])
        return [[str(source), output]]

    return {
        str(node["id"]): {
            "class_type": node["type"],
            "inputs": read_widgets(node, schemas[node["type"]])
            | {slot["name"]: source for slot in node["inputs"] for source in find_source(graph, slot["link"])},
        }
        for graph in graphs.values()
        for node in graph["nodes"]
        if str(node["id"]) in known
    }


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
