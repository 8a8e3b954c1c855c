"""What a file, a folder or a record is, in digits: so that a report says what it was made with."""

import hashlib
import json
from pathlib import Path

from .errors import ConsistentIDError
from .model_files.find import compute_sha256


def hash_path(path: str | Path) -> str:
    """sha256 of a file; of a folder, that of its files' relative names and hashes. ConsistentIDError without one."""
    path = Path(path)
    if path.is_file():
        return compute_sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise ConsistentIDError(f"{path} is no file, and no folder with files.")
    return hash_record([[file.relative_to(path).as_posix(), compute_sha256(file)] for file in files])


def hash_record(record) -> str:
    """sha256 of anything that JSON can hold; the order of keys does not matter."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def describe_file(path: str | Path) -> dict[str, str]:
    """Name and sha256 of a file or folder."""
    return {"file": Path(path).name, "sha256": hash_path(path)}


def describe_path(path: Path) -> list:
    """The path, and name, size and time of the file or of each file in the folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [str(path), *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
