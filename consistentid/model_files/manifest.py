"""models_manifest.json: one list of every model, its files, sources, hashes and licence."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from ..checked import STRICT, describe
from ..errors import ConsistentIDError
from .paths import require_distinct, require_safe_path

MANIFEST = Path(__file__).resolve().parents[2] / "models_manifest.json"
HUB = "https://huggingface.co"


class ManifestError(ConsistentIDError):
    """The manifest is not as it should be."""


@dataclass(frozen=True)
class Source:
    """Where a file comes from: a Hugging Face repository, an address, or a page to be visited by hand."""

    __pydantic_config__ = STRICT

    repository: str | None = None
    revision: str | None = None
    path: str | None = None
    url: str | None = None
    page: str | None = None

    def __post_init__(self):
        kinds = [kind for kind in (self.repository, self.url, self.page) if kind]
        _require(len(kinds) == 1, f"a source is one of repository, url and page; this one is {self}")
        _require(not self.repository or bool(self.revision and self.path), f"{self.repository} needs revision and path")
        _require(self.address.startswith("https://"), f"'{self.address}' is not https")

    @property
    def address(self) -> str:
        if self.repository:
            return f"{HUB}/{self.repository}/resolve/{self.revision}/{self.path}"
        return self.url or self.page or ""

    @property
    def card(self) -> str:
        """The page that tells about the file and its licence: of the repository, or the project on GitHub."""
        return self.page or "/".join(self.address.split("/")[:5])


@dataclass(frozen=True)
class File:
    """One file. path: below the model's folder. size in bytes; size and sha256 are None where nobody states them."""

    __pydantic_config__ = STRICT

    path: str
    size: int | None
    sha256: str | None
    source: Source | None = None

    def __post_init__(self):
        require_safe_path(self.path)
        _require(self.size is None or self.size > 0, f"size of {self.path} is {self.size}")
        _require(
            self.sha256 is None or re.fullmatch("[0-9a-f]{64}", self.sha256) is not None,
            f"sha256 of {self.path} is '{self.sha256}', not 64 lowercase hexadecimal digits",
        )


@dataclass(frozen=True)
class Snapshot:
    """Those files of a Hugging Face repository, in its top folder, that match a pattern."""

    __pydantic_config__ = STRICT

    repository: str
    revision: str
    patterns: tuple[str, ...]

    @property
    def address(self) -> str:
        return f"{HUB}/{self.repository}"


@dataclass(frozen=True)
class Model:
    """One file, or one folder of files: listed, unpacked from `archive`, or listed by `snapshot` at its source.

    folder, other_folders: below ComfyUI's models folder; downloads go to the first, all are searched.
    alternatives: other names of the same content. marker: for folders, a pattern that only a whole one matches.
    """

    __pydantic_config__ = STRICT

    id: str
    title: str
    purpose: str
    folder: str
    other_folders: tuple[str, ...]
    name: str
    alternatives: tuple[str, ...]
    files: tuple[File, ...]
    licence: str
    consequence: str
    needed_for: tuple[str, ...]
    marker: str | None = None
    archive: File | None = None
    snapshot: Snapshot | None = None

    def __post_init__(self):
        for path in (self.folder, *self.other_folders, *self.names):
            require_safe_path(path)
        require_distinct(file.path for file in self.files)
        if self.marker is None:
            _require([file.path for file in self.files] == [self.name], f"{self.id}: files is not just {self.name}")
        _require(bool(self.files or self.archive or self.snapshot), f"{self.id} has no files")
        packed = bool(self.archive or self.snapshot)
        _require(all((file.source is None) == packed for file in self.files), f"{self.id}: each file needs one source")

    @property
    def is_folder(self) -> bool:
        return self.marker is not None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.alternatives)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Folders right below ComfyUI's models folder that may hold it."""
        return tuple(folder.partition("/")[0] for folder in (self.folder, *self.other_folders))

    @property
    def downloads(self) -> tuple[File, ...]:
        """What is fetched; empty when only the source can list it."""
        return (self.archive,) if self.archive else self.files

    @property
    def size(self) -> int | None:
        """Bytes to download."""
        sizes = [file.size for file in self.downloads if file.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.downloads) else None

    @property
    def sources(self) -> tuple[str, ...]:
        if self.snapshot:
            return (self.snapshot.address,)
        return tuple(dict.fromkeys(source.address for source in self._origins))

    @property
    def card(self) -> str:
        """The page to read before a download."""
        return self.snapshot.address if self.snapshot else self._origins[0].card

    @property
    def is_manual(self) -> bool:
        """Whether a person has to visit a page for it."""
        return any(source.page for source in self._origins)

    @property
    def _origins(self) -> tuple[Source, ...]:
        return tuple(file.source for file in self.downloads if file.source)

    @property
    def target(self) -> str:
        return f"models/{self.folder}/{self.name}{'/' if self.is_folder else ''}"

    @property
    def advice(self) -> str:
        unpacked = ", unpacked," if self.archive else ""
        by_hand = f"{' and '.join(self.sources)}{unpacked} as {self.target}. Licence: {self.licence}."
        if self.is_manual:
            return f"Get it by hand from {by_hand}"
        return (
            "Download it in the 'ID models' tab of ComfyUI's sidebar; or, in the folder of this pack, run "
            f"`python -m consistentid models get {self.id}`; or put {by_hand}"
        )


@dataclass(frozen=True)
class _Content:
    __pydantic_config__ = STRICT

    version: Literal[2]
    models: tuple[Model, ...]


@cache
def read_manifest() -> dict[str, Model]:
    """All models by id."""
    return parse_manifest(MANIFEST.read_text(encoding="utf-8"))


def parse_manifest(text: str) -> dict[str, Model]:
    """Models by id. ManifestError names the entry and what is wrong with it."""
    try:
        content = TypeAdapter(_Content).validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"Model list: {describe(error)}.") from error
    models: dict[str, Model] = {}
    for model in content.models:
        _require(model.id not in models, f"id '{model.id}' is there twice")
        models[model.id] = model
    return models


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ManifestError(f"Model list: {problem}.")
