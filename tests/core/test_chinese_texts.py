"""js/zh has the Chinese of what Python says in English: errors of nodes, and what the manifest says of models.

The English is the key there, so a text that changes loses its Chinese; this names it.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from consistentid.model_files.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("prompt", "face", "identity", "adapter", "caption", "likeness", "face2diffusion")
TOLD_BY_NODES = ("nodes/**/*.py", "consistentid/weights.py", *(f"consistentid/{room}/*.py" for room in ROOMS))
DOWNLOADS = ("archive", "background", "download", "hub", "paths", "records", "small_models", "transfer", "watch")
TOLD_BY_PANEL = tuple(f"consistentid/model_files/{name}.py" for name in DOWNLOADS)
"""What the models panel shows; all else that model_files, dataset and training say is printed by commands."""
# Of commands, of calls from Python and of damaged code, or the names of packages; they stay English.
LEFT = (
    "Unknown ",
    "--",
    "floats from",
    "whole numbers from",
    "a picture of",
    "A thumbnail is",
    "takes images",
    "gives ",
    "Cannot mix by ",
    "Not a region with its strength",
    "{} has the licence '",
    "'{}' is {}",
)


# Where a word is chosen within a sentence.
COMPOSED = {
    "Or lower the threshold",
    "or set on_no_face to 'skip' or 'continue without ID embedding",
    "Or set on_no_face to 'skip' or 'continue without ID embedding",
    "1 person",
    "1 picture",
    "1 crop",
    "1 place",
    "The face is only",
    "The smallest face is only",
    "left out, with the middle of the face outside the photo",
    "put last, with the middle of the face outside the photo",
    "use a larger photo",
    "use a larger or closer photo",
    "pixels, and no framing is closer",
    "connect a face and use framing 'head",
    "1 facial token",
    "A, who has none",
    "B, who has none",
    "only A has it, taken from there",
    "only B has it, taken from there",
}


def read_table(name: str) -> dict[str, str]:
    return json.loads((ROOT / "js" / "zh" / f"{name}.json").read_text(encoding="utf-8"))


def write_template(node: ast.expr) -> str | None:
    """The text with {} for values; None for what is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


@cache
def list_templates(*patterns: str, only_raised: bool = False) -> set[str]:
    files = [path for pattern in patterns for path in ROOT.glob(pattern)]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    if only_raised:
        calls = [node.exc for node in nodes if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
        nodes = [call.args[0] for call in calls if call.args]
    return {text for text in map(write_template, nodes) if text}


def test_errors_of_nodes_and_downloads_have_a_translation():
    raised = {
        text
        for text in list_templates(*TOLD_BY_NODES, *TOLD_BY_PANEL, only_raised=True)
        if re.search("[a-z]{2}.* ", text.replace("{}", ""))
    }
    known = read_table("errors").keys() | read_table("models").keys()
    assert not {text for text in raised - known if not text.startswith(LEFT)}


@pytest.mark.parametrize("name", ["errors", "results"])
def test_no_translation_is_of_a_text_that_nobody_says(name):
    """All between the values stands in some text of the sources; sentences may be put together."""
    said = "\n".join(list_templates("nodes/**/*.py", "consistentid/**/*.py"))
    fragments = {
        key: [part.strip(" .:;,()'") for part in re.split(r"\{\}|: |; | \(|(?<=\.) ", key)] for key in read_table(name)
    }
    assert not {
        key: part for key, parts in fragments.items() for part in parts if part not in COMPOSED and part not in said
    }


def test_everything_said_of_a_model_has_a_translation():
    table = read_table("models")
    models = read_manifest().values()
    said = {text for model in models for text in (model.title, model.purpose, model.consequence, model.licence)}
    names = {"Apache-2.0", "CC0", "CC BY-NC-SA 4.0", "CreativeML OpenRAIL-M", "CreativeML Open RAIL++-M"}
    assert not said - table.keys() - names
