"""How a download is followed and stopped, and how it fails."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConsistentIDError


class DownloadError(ConsistentIDError):
    """A file that could not be downloaded, or is not what it should be."""


class DownloadCancelled(DownloadError):
    """The user stopped a download; what has come is kept."""


@dataclass(frozen=True)
class Progress:
    """Bytes of one file so far; total is None where the server does not say."""

    file: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Watch:
    """How a caller follows a download, and stops it: both are called in the caller's thread.

    report for every block, is_cancelled several times a second, however slow the server is.
    """

    report: Callable[[Progress], None] = lambda progress: None
    is_cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        if self.is_cancelled():
            raise DownloadCancelled("The download was stopped. Start it again to go on where it stopped.")
