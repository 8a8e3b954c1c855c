"""What both engines draw when nothing else is asked for."""

import json

from . import REPO


def read_graph(workflow):
    """{id: node} of a workflow in the API's format."""
    return json.loads((REPO / "workflows" / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
