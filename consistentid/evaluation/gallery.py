"""A folder of pictures with their settings. What is there is kept; only missing pictures are drawn."""

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import ConsistentIDError
from ..face.photo import open_photo
from ..fingerprint import hash_path
from ..whole_file import replace_file
from .engine import Asked, Drawing, DrawingError, Engine, EngineError
from .plan import Case, Plan

FORMAT = 1
PACKAGES = ("torch", "diffusers", "transformers", "insightface", "torchmetrics", "scipy", "numpy")
GIVE_UP = 5
"""Failures one after another, after which the rest is not tried. Those of one person alone do not stop the others:
a photo may be of no use to an engine."""


@dataclass(frozen=True)
class Entry:
    """One case in a gallery. seconds: None where unknown; error: why there is no picture."""

    seconds: float | None = None
    error: str = ""


class Gallery:
    """folder: gets run.json, plan.json, photos/, and pictures/ with a JSON for each."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._run = self.folder / "run.json"

    def claim(self, record: dict) -> None:
        """Say what draws these pictures. EngineError if the pictures that are there were drawn otherwise."""
        known = self.read_record()
        if known and known != record:
            names = ", ".join(_list_differences(known, record))
            raise EngineError(
                f"{self.folder} holds pictures that were drawn otherwise; different: {names}. Name another folder, or "
                "give the same settings."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "pictures").mkdir(exist_ok=True)
        if not known:
            _write_text(self._run, json.dumps({"format": FORMAT, "record": record, "versions": list_versions()}))

    def read_record(self) -> dict:
        """What drew the pictures; empty for a new folder."""
        if not self._run.exists():
            return {}
        try:
            run = json.loads(self._run.read_text(encoding="utf-8"))
            if run["format"] == FORMAT:
                return run["record"]
        except (ValueError, KeyError, TypeError):
            pass
        raise EngineError(f"{self._run} is not of this version of the program. Name another folder.")

    def keep_plan(self, plan: Plan) -> None:
        """Write plan.json and copies of its photos, so that the folder is all one needs to do it again."""
        (self.folder / "photos").mkdir(parents=True, exist_ok=True)
        photos = [photo for paths in plan.people.values() for photo in paths]
        files = {photo: f"photos/{hash_path(photo)[:16]}{photo.suffix.lower()}" for photo in photos}
        for photo, file in files.items():
            if not (self.folder / file).exists():
                with replace_file(self.folder / file) as part:
                    shutil.copyfile(photo, part)
        _write_text(self.folder / "plan.json", plan.to_json(files))

    def find_picture(self, case: Case) -> Path:
        return self.folder / "pictures" / case.file

    def read_entry(self, case: Case) -> Entry | None:
        """None for a case that was not tried, or whose picture is not whole."""
        picture = self.find_picture(case)
        try:
            record = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
            entry = Entry(record["seconds"], record["error"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return entry if entry.error or picture.is_file() else None

    def read_picture(self, case: Case) -> np.ndarray:
        """RGB uint8 [H, W, 3]"""
        return open_photo(self.find_picture(case))

    def draw_missing(
        self, plan: Plan, engine: Engine, template: str, on_case: Callable[[int, int], None] = lambda done, total: None
    ) -> int:
        """Keep the plan, and draw its cases that have no picture, failed ones again; returns how many were drawn.

        template: the text that is sent, with {prompt} in it. A picture that fails is noted, and the next is drawn;
        EngineError when GIVE_UP fail one after another, of several people if there are.
        on_case(done, total) is called before the first and after each.
        """
        if "{prompt}" not in template:
            raise EngineError(f"The template '{template}' has no {{prompt}} in it.")
        self.claim(engine.describe() | {"template": template})
        self.keep_plan(plan)
        entries = [(case, self.read_entry(case)) for case in plan.cases]
        missing = [case for case, entry in entries if entry is None or entry.error]
        several = len({case.person for case in missing}) > 1
        drawn, failed = 0, []
        on_case(0, len(missing))
        asked = [
            Asked(number, plan.people[case.person][0], template.replace("{prompt}", case.prompt), case.seed)
            for number, case in enumerate(missing)
        ]
        for done, (one, result) in enumerate(engine.draw_all(asked), 1):
            case = missing[one.number]
            error = self._keep(case, result)
            drawn, failed = (drawn, [*failed, case.person]) if error else (drawn + 1, [])
            if len(failed) >= GIVE_UP and len(set(failed)) > several:
                raise EngineError(f"{len(failed)} pictures failed one after another, the last with: {error}")
            on_case(done, len(missing))
        return drawn

    def _keep(self, case: Case, result: Drawing | DrawingError) -> str:
        """Write what became of a case; returns why it failed, or ""."""
        picture, seconds, error = self.find_picture(case), None, ""
        if isinstance(result, Drawing):
            seconds = result.seconds
            with replace_file(picture) as part:
                result.image.save(part, format="PNG")
        else:
            error = str(result)
        record = {"person": case.person, "prompt": case.prompt, "seed": case.seed, "seconds": seconds, "error": error}
        _write_text(picture.with_suffix(".json"), json.dumps(record, ensure_ascii=False))
        return error


def list_versions() -> dict[str, str]:
    """Versions of what matters here, and the machine."""
    found = {"consistentid": __version__, "python": platform.python_version(), "machine": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write_text(path: Path, text: str) -> None:
    try:
        with replace_file(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConsistentIDError(f"{path} could not be written: {error}") from error


def _list_differences(known, record, prefix: str = "") -> list[str]:
    if not isinstance(known, dict) or not isinstance(record, dict):
        return [] if known == record else [prefix or "everything"]
    names = [*known, *(name for name in record if name not in known)]
    return [
        found
        for name in names
        for found in _list_differences(known.get(name), record.get(name), f"{prefix}.{name}" if prefix else str(name))
    ]
