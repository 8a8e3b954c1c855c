"""What a headless run leaves: pictures that carry their settings, and a contact sheet of the stages."""

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from .. import __version__
from ..attention_sheet import draw_attention_sheet
from ..contact_sheet import draw_contact_sheet
from ..errors import ConsistentIDError, describe_os_error
from ..whole_file import create_files, number_paths, replace_file
from .portrait import Portrait
from .portrait_settings import PNG_KEY, PortraitSettings

PACKAGES = ("torch", "diffusers", "transformers")


@dataclass(frozen=True)
class PortraitFiles:
    """Paths of a run: OUT.png, OUT_2.png, ... and OUT_stages.png. replace: whether it may write over what is there."""

    pictures: list[Path]
    sheet: Path
    replace: bool = False


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
    paths = name_files(out, batch)
    _check_free(paths, inputs, overwrite, "--out")
    return PortraitFiles(paths[:-1], paths[-1], overwrite)


def plan_attention(path: str | Path, files: PortraitFiles, inputs: Iterable[str | Path] = ()) -> Path:
    """Where the sheet of attention is written, a PNG beside `files`; errors as those of `plan_files`."""
    path = Path(path)
    others = [file.resolve() for file in (*files.pictures, files.sheet)]
    if path.suffix.lower() != ".png" or path.resolve() in others:
        raise ConsistentIDError(f"--attention {path} is no PNG of its own. Name another file, which ends in .png.")
    _make_folder(path.parent)
    _check_free([path], inputs, files.replace, "--attention")
    return path


def name_files(out: Path, batch: int) -> list[Path]:
    """Those of a run: its pictures, then the sheet."""
    names = ["", *(f"_{number}" for number in range(2, batch + 1)), "_stages"]
    return [out.with_stem(f"{out.stem}{name}") for name in names]


def save_portrait(portrait: Portrait, files: PortraitFiles) -> PortraitFiles:
    """Write the pictures and the contact sheet as `write_files` does, and return where they are.

    Each picture carries the settings of the run in its text chunk `consistentid`.
    """
    record = make_record(portrait.settings)
    many = len(portrait.images) > 1
    results = [(f"Result {n}" if many else "Result", image) for n, image in enumerate(portrait.images, 1)]
    sheet = draw_contact_sheet([*portrait.stages, *results])
    writers = [partial(image.save, format="PNG", pnginfo=record) for image in portrait.images]
    return write_files(files, [*writers, partial(sheet.save, format="PNG")])


def make_record(settings: PortraitSettings, **more: str) -> PngInfo:
    """What a picture carries: the settings that repeat its run, versions of packages, and `more`."""
    record = PngInfo()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES} | {PNG_KEY: __version__}
    record.add_itxt(PNG_KEY, settings.to_json(versions=versions, **more))
    return record


def save_attention(portrait: Portrait, path: Path, overwrite: bool) -> Path:
    """Write the sheet of attention, whole, and return where it is: under another number if somebody took the name."""
    write = partial(draw_attention_sheet(portrait.images, portrait.attention).save, format="PNG")
    try:
        if not overwrite:
            return create_files(([free] for free in number_paths(path, "-")), [write])[0]
        with replace_file(path) as part:
            write(part)
    except OSError as error:
        raise ConsistentIDError(f"{path} could not be written: {describe_os_error(error)}") from error
    return path


def write_files(files: PortraitFiles, writers: Sequence[Callable[[Path], object]]) -> PortraitFiles:
    """Have the writers of the pictures and of the sheet write them, whole, and return where they are.

    Where another run took one of the names since they were planned, all get a number: OUT-2.png, OUT-2_stages.png.
    ConsistentIDError if a file cannot be written.
    """
    first, batch = files.pictures[0], len(files.pictures)
    try:
        if not files.replace:
            *pictures, sheet = create_files((name_files(out, batch) for out in number_paths(first, "-")), writers)
            return PortraitFiles(pictures, sheet)
        for path, write in zip((*files.pictures, files.sheet), writers, strict=True):
            with replace_file(path) as part:
                write(part)
    except OSError as error:
        raise ConsistentIDError(f"{first} could not be written: {describe_os_error(error)}") from error
    return files


def _check_free(paths: Iterable[Path], inputs: Iterable[str | Path], overwrite: bool, option: str) -> None:
    read = [Path(path) for path in inputs if path and Path(path).exists()]
    for path in filter(Path.exists, paths):
        if any(path.samefile(source) for source in read):
            raise ConsistentIDError(
                f"{path} is read by this run and would be written over. Name another file with {option}."
            )
        if path.is_dir() or not overwrite:
            raise ConsistentIDError(
                f"{path} is there already. Name another file with {option}, or allow it: --overwrite."
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConsistentIDError(f"The folder {folder} cannot be made ({error}). Name another with --out.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConsistentIDError(f"The folder {folder} cannot be written. Name another with --out.")
