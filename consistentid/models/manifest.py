"""models_manifest.json: one list of every model file, its source, hash and licence."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MANIFEST = Path(__file__).resolve().parents[2] / "models_manifest.json"


@dataclass(frozen=True)
class Model:
    """One file, or one folder of files. size (bytes) and sha256 are of the download, None where nobody states them.

    folder: below ComfyUI's models folder. alternatives: other names under which the same content is known.
    """

    id: str
    title: str
    name: str
    alternatives: tuple[str, ...]
    folder: str
    source: str
    size: int | None
    sha256: str | None
    licence: str
    needed_for: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.alternatives)

    @property
    def advice(self) -> str:
        return (
            f"Get it from {self.source} and put it into models/{self.folder}/ as {self.name}. Licence: {self.licence}."
        )


@cache
def read_manifest() -> dict[str, Model]:
    """All models by id."""
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))["models"]
    models = (Model(**{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}) for entry in entries)
    return {model.id: model for model in models}
