"""Comparing files that are there with the hashes of the manifest, or of their first download."""

from dataclasses import dataclass
from pathlib import Path

from .find import compute_sha256
from .manifest import Model
from .records import Records
from .transfer import Watch

SOUND = "sound"
AS_DOWNLOADED = "as first downloaded"
UNKNOWN = "no hash known"
CHANGED = "not the known file"
MISSING = "missing"


@dataclass(frozen=True)
class Verdict:
    """One file: its state (a constant of this module), and its own sha256 where it was read."""

    path: Path
    state: str
    sha256: str | None = None

    @property
    def is_bad(self) -> bool:
        return self.state in (CHANGED, MISSING)


def verify_model(model: Model, path: Path, records: Records, watch: Watch | None = None) -> list[Verdict]:
    """Read every file of a model found at `path`."""
    watch = watch or Watch()
    if not model.is_folder:
        return [_verify_file(path, model.files[0].sha256, records, watch)]
    stated = {path / file.path: file.sha256 for file in model.files}
    known = list(dict.fromkeys([*stated, *records.list_files(path)])) or sorted(path.glob("*"))
    return [_verify_file(file, stated.get(file), records, watch) for file in known if not file.is_dir()]


def _verify_file(path: Path, stated: str | None, records: Records, watch: Watch) -> Verdict:
    if not path.is_file():
        return Verdict(path, MISSING)
    sha256 = compute_sha256(path, watch.check)
    recorded = records.get_sha256(path)
    if not (stated or recorded):
        return Verdict(path, UNKNOWN, sha256)
    if sha256 != (stated or recorded):
        return Verdict(path, CHANGED, sha256)
    return Verdict(path, SOUND if stated else AS_DOWNLOADED, sha256)
