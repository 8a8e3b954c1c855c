"""What a headless run leaves: pictures that carry their settings, and a contact sheet of the stages."""

import importlib.metadata
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from .. import __version__
from ..errors import ConsistentIDError
from ..whole_file import replace_file
from .contact_sheet import draw_contact_sheet
from .portrait import Portrait
from .portrait_settings import PNG_KEY

PACKAGES = ("torch", "diffusers", "transformers")


@dataclass(frozen=True)
class PortraitFiles:
    """Paths that a run may write to: OUT.png, OUT_2.png, ... and OUT_stages.png."""

    pictures: list[Path]
    sheet: Path


def plan_files(
    out: str | Path, batch: int, inputs: Iterable[str | Path] = (), overwrite: bool = False
) -> PortraitFiles:
    """Where a run of `batch` pictures writes, in a folder that is made here; asked before drawing, so nothing is lost.

    out: a PNG, or a folder, or "" for the current one: there the file is named by the time. inputs: files of the run,
    which are never written over. ConsistentIDError for them, for a file that is there already unless `overwrite`, and
    for a folder that cannot be written.
    """
    out = Path(out)
    if out.is_dir():
        out /= f"portrait_{datetime.now():%Y%m%d_%H%M%S}.png"
    out = out if out.suffix.lower() == ".png" else out.with_name(f"{out.name}.png")
    _make_folder(out.parent)
    names = ["", *(f"_{number}" for number in range(2, batch + 1)), "_stages"]
    paths = [out.with_stem(f"{out.stem}{name}") for name in names]
    read = [Path(path) for path in inputs if path and Path(path).exists()]
    for path in filter(Path.exists, paths):
        if any(path.samefile(source) for source in read):
            raise ConsistentIDError(
                f"{path} is read by this run and would be written over. Name another file with --out."
            )
        if path.is_dir() or not overwrite:
            raise ConsistentIDError(f"{path} is there already. Name another file with --out, or allow it: --overwrite.")
    return PortraitFiles(paths[:-1], paths[-1])


def save_portrait(portrait: Portrait, files: PortraitFiles) -> None:
    """Write the pictures and the contact sheet; a file appears only when it is whole. ConsistentIDError if it cannot.

    Each picture carries the settings of the run in its text chunk `consistentid`.
    """
    record = PngInfo()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES} | {PNG_KEY: __version__}
    record.add_itxt(PNG_KEY, portrait.settings.to_json(versions=versions))
    for image, path in zip(portrait.images, files.pictures, strict=True):
        _write_png(image, path, pnginfo=record)
    many = len(portrait.images) > 1
    results = [(f"Result {n}" if many else "Result", image) for n, image in enumerate(portrait.images, 1)]
    _write_png(draw_contact_sheet([*portrait.stages, *results]), files.sheet)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConsistentIDError(f"The folder {folder} cannot be made ({error}). Name another with --out.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConsistentIDError(f"The folder {folder} cannot be written. Name another with --out.")


def _write_png(image, path: Path, **options) -> None:
    try:
        with replace_file(path) as part:
            image.save(part, format="PNG", **options)
    except OSError as error:
        raise ConsistentIDError(f"{path} could not be written: {error}") from error
