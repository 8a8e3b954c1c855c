"""What the workflows of the small models show, run in a ComfyUI, and how a tile shows it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from quickstart.comfyui_queue import run_graph
from quickstart.comfyui_server import running_server

from ..files import read_twin
from .tile import ACCENT, OTHER, SHOWN, Tile

WIDTH, HEIGHT = SHOWN
COLUMNS, ROWS, GAP = 6, 4, 6
"""Of the sheet of Show Facial Attention: a column for each region beside the pictures, a row for the mean and each
step."""


def run_workflows(names: list[str], comfyui: Path, folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Each of them with the picture that its Preview Image shows, on the CPU. folder: the server's, empty at first."""
    with running_server(comfyui, [], True, folder) as address:
        for name in names:
            twin = read_twin(name)
            outputs = run_graph(address, twin, name)
            (preview,) = [id for id, node in twin.items() if node["class_type"] == "PreviewImage"]
            (shown,) = outputs[preview]["images"]
            with Image.open(folder / shown["type"] / shown["subfolder"] / shown["filename"]) as picture:
                yield name, picture.convert("RGB")


def show_portrait(tile: Tile, result: Image.Image) -> None:
    person, portrait = _cut(result)
    tile.fill(person, (0, 0, 254, HEIGHT))
    tile.fill(portrait, (258, 0, WIDTH, HEIGHT))
    tile.arrow((222, 268), (292, 268))


def show_change(tile: Tile, result: Image.Image) -> None:
    _, before, after = _cut(result)
    tile.fill(before, (0, 0, 254, HEIGHT))
    tile.fill(after, (258, 0, WIDTH, HEIGHT))
    tile.arrow((222, 268), (292, 268))
    tile.pill((274, 300), "old", px=24)


def show_mix(tile: Tile, result: Image.Image) -> None:
    first, mixed, second = _cut(result)
    tile.fill(mixed, (160, 0, WIDTH, HEIGHT))
    tile.circle(first, (82, 148), 116, ACCENT)
    tile.circle(second, (82, 276), 116, OTHER)
    tile.sign((82, 212), "+")
    tile.arrow((152, 212), (208, 212))


def show_two_people(tile: Tile, result: Image.Image) -> None:
    side = result.height
    first, second = (result.crop((left, 0, left + side, side)) for left in (0, result.width - side))
    tile.fill(result.crop((side, 0, result.width - side, side)), (0, 96, WIDTH, HEIGHT))
    for person, x, colour in ((first, 128, ACCENT), (second, 384, OTHER)):
        tile.circle(person, (x, 108), 98, colour)


def show_attention(tile: Tile, result: Image.Image) -> None:
    """The picture, and all regions over the last of the three steps."""
    cell = (result.width - GAP) // COLUMNS
    rows = (result.height - GAP) // ROWS
    for row, box in ((0, (0, 0, 254, HEIGHT)), (ROWS - 1, (258, 0, WIDTH, HEIGHT))):
        top = GAP + row * rows
        tile.fill(result.crop((GAP, top, cell, top + cell - GAP)), box)
    tile.arrow((222, 268), (292, 268))


RESULTS: dict[str, Callable[[Tile, Image.Image], None]] = {
    "small_portrait_zoo": show_portrait,
    "small_change_zoo": show_change,
    "small_mix_zoo": show_mix,
    "small_two_people_zoo": show_two_people,
    "small_attention_zoo": show_attention,
}


def _cut(row: Image.Image) -> list[Image.Image]:
    """Squares from left to right."""
    side = row.height
    return [row.crop((left, 0, left + side, side)) for left in range(0, row.width, side)]
