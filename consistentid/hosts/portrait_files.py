"""What a headless run leaves: pictures that carry their settings, and a contact sheet of the stages."""

import importlib.metadata
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from .. import __version__
from .contact_sheet import draw_contact_sheet
from .portrait import Portrait
from .portrait_settings import PNG_KEY

PACKAGES = ("torch", "diffusers", "transformers")


def save_portrait(portrait: Portrait, out: str | Path, note: str = "") -> tuple[list[Path], Path]:
    """Write OUT.png, OUT_2.png, ... and OUT_stages.png; returns the pictures and the contact sheet.

    Each picture carries the settings of the run in its text chunk `consistentid`. note: heads the sheet.
    """
    out = Path(out)
    out = out if out.suffix.lower() == ".png" else out.with_name(f"{out.name}.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    record = PngInfo()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES} | {PNG_KEY: __version__}
    record.add_itxt(PNG_KEY, portrait.settings.to_json(versions=versions))
    paths = [out] + [out.with_stem(f"{out.stem}_{number}") for number in range(2, len(portrait.images) + 1)]
    for image, path in zip(portrait.images, paths, strict=True):
        image.save(path, pnginfo=record)
    sheet = out.with_stem(f"{out.stem}_stages")
    results = [(f"Result {n}" if len(paths) > 1 else "Result", image) for n, image in enumerate(portrait.images, 1)]
    draw_contact_sheet([*portrait.stages, *results], note).save(sheet)
    return paths, sheet
