"""A running ComfyUI, and what tests ask of it."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """run_graph: of the quick start. standins: {"sd15": {loader: (field, file)}, ...}"""

    address: str
    folder: Path
    run_graph: object
    standins: dict = field(default_factory=dict)

    def run(self, twin: dict) -> tuple[dict, list[Path]]:
        """Outputs by node, and the pictures that were saved."""
        before = set(self.folder.glob("output/*.png"))
        outputs = self.run_graph(self.address, twin)
        return outputs, sorted(set(self.folder.glob("output/*.png")) - before)


def set_inputs(graph: dict, kind: str, **values) -> None:
    for node in graph.values():
        if node["class_type"] == kind:
            assert node["inputs"].keys() >= values.keys()
            node["inputs"] |= values
