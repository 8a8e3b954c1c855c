"""A running ComfyUI, and what tests ask of it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from quickstart.comfyui_queue import run_graph

ALARMING = re.compile("warning|error|deprecated|traceback", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """standins: {"sd15": {loader: (field, file)}, ...}; models: the folder they are in."""

    address: str
    folder: Path
    standins: dict = field(default_factory=dict)
    models: Path | None = None

    def run(self, twin: dict) -> tuple[dict, list[Path]]:
        """Outputs by node, and the pictures that were saved; the server's log may alarm nobody."""
        before, told = set(self.folder.glob("output/*.png")), len(self.read_log())
        outputs = run_graph(self.address, twin)
        assert [line for line in self.read_log()[told:].splitlines() if ALARMING.search(line)] == []
        return outputs, sorted(set(self.folder.glob("output/*.png")) - before)

    def read_log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")


def set_inputs(graph: dict, kind: str, **values) -> None:
    for node in graph.values():
        if node["class_type"] == kind:
            assert node["inputs"].keys() >= values.keys()
            node["inputs"] |= values
