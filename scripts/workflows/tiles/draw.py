"""A workflow's tile: the result of the small models, or a schematic. The file carries the mark of what it shows."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import yaml
from PIL import Image

from ..files import NAMES, WORKFLOWS, read_twin
from . import one_person, one_picture, several_people
from .results import RESULTS
from .tile import ACCENT, SHADE, Tile

TEXTS = yaml.safe_load(Path(__file__).with_name("texts.yaml").read_text(encoding="utf-8"))
BYTES = 70_000
QUALITY = 88


def find_schematic(name: str) -> Callable[[Tile], None]:
    """The function called as the workflow, without "_sd15"."""
    modules = one_person, one_picture, several_people
    (found,) = filter(None, (getattr(module, name.removesuffix("_sd15"), None) for module in modules))
    return found


def draw_tile(name: str, result: Image.Image | None = None) -> Image.Image:
    """result: what the workflow showed, where it runs with the small models."""
    tile = Tile()
    if result:
        RESULTS[name](tile, result)
    else:
        find_schematic(name)(tile)
    words = TEXTS[name]
    note, colour = ("no download", ACCENT) if result else ("schematic", SHADE)
    return tile.finish(words["title"], words["text"], note, colour)


def find_mark(name: str) -> bytes:
    """What the tile carries as its comment: a hash of what the workflow computes and of its words."""
    shown = json.dumps([read_twin(name), TEXTS[name]], sort_keys=True)
    return hashlib.sha256(shown.encode()).hexdigest().encode()


def write_tile(name: str, result: Image.Image | None = None) -> Path:
    """Write workflows/NAME.jpg. Raises ValueError if it has more than BYTES."""
    file = io.BytesIO()
    draw_tile(name, result).save(file, "JPEG", quality=QUALITY, optimize=True, comment=find_mark(name))
    if file.tell() > BYTES:
        raise ValueError(f"{name}.jpg has {file.tell()} bytes; {BYTES} is the most: draw it with less noise")
    path = WORKFLOWS / f"{name}.jpg"
    path.write_bytes(file.getvalue())
    return path


def list_stale() -> list[str]:
    """Workflows whose tile is missing, or shows another state of them."""
    return [name for name in NAMES if _read_mark(name) != find_mark(name)]


def _read_mark(name: str) -> bytes | None:
    path = WORKFLOWS / f"{name}.jpg"
    if not path.is_file():
        return None
    with Image.open(path) as tile:
        return tile.info.get("comment")
