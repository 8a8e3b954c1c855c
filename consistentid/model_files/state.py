"""Whether a model is there and whole, told from names, sizes and records: nothing large is read."""

from dataclasses import dataclass
from pathlib import Path

from .download import list_lacking
from .find import Places, search_model
from .manifest import Model
from .records import Records
from .transfer import DownloadError

FOUND = "found"
UNVERIFIED = "not verified"
INCOMPLETE = "incomplete"
WRONG_SIZE = "wrong size"  # only a person can tell whether the file may go
MISSING = "missing"


@dataclass(frozen=True)
class State:
    """kind: a constant of this module. path: where it is, or where a download would put it. problem: what is wrong."""

    kind: str
    path: Path
    problem: str = ""


def tell_state(model: Model, places: Places, records: Records) -> State:
    """FOUND only where a download checked the hash; UNVERIFIED for files that came another way."""
    found = search_model(model, places.folders)
    if not found:
        return State(MISSING, places.target)
    try:
        lacking = list_lacking(model, found, records)
    except DownloadError as error:
        return State(WRONG_SIZE, found, str(error))
    if lacking:
        return State(INCOMPLETE, found, f"{found} lacks {', '.join(lacking)}. Download it to complete it.")
    return State(FOUND if _came_checked(model, found, records) else UNVERIFIED, found)


def _came_checked(model: Model, found: Path, records: Records) -> bool:
    if model.is_folder:
        return bool(records.list_files(found))
    recorded, stated = records.get_sha256(found), model.files[0].sha256
    return recorded is not None and stated in (None, recorded)
