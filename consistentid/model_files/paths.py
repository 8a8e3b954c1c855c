"""Paths that a list or an archive gives: only those that stay in their folder, on every system."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import ConsistentIDError

# What no name may hold on Windows: some characters, a dot or space at the end, a device with any suffix.
_NO_NAME = re.compile(
    r'[\\:*?"<>|\x00-\x1f]|[. ]$|^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)', re.IGNORECASE
)


class PathError(ConsistentIDError):
    """A path that the manifest, an archive or a server gave, and that is not safe to write."""


def require_safe_path(path: str) -> None:
    """PathError unless the path is relative, with forward slashes and names that every system can have only."""
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and ".." not in parts and not path.startswith("/") and path not in ("", ".")
    if not plain or any(_NO_NAME.search(part) for part in parts):
        raise PathError(f"List of files: unsafe path '{path}'. It may leave its folder, or is no name on Windows.")


def require_distinct(paths: Iterable[str]) -> None:
    """PathError for two paths that are one file where upper and lower case are the same."""
    counts = Counter(path.casefold() for path in paths)
    twice = [path for path, count in counts.items() if count > 1]
    if twice:
        raise PathError(f"List of files: '{', '.join(twice)}' is there twice, up to upper and lower case.")
