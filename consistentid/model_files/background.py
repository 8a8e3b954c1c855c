"""Downloads that go on while the program does other things: a thread for each model, which others can ask and stop."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConsistentIDError, describe_os_error, make_encodable
from .download import get_model
from .find import Places
from .manifest import Model
from .watch import DownloadCancelled, DownloadError, Progress, Watch

RUNNING = "downloading"
STOPPING = "stopping"
FAILED = "failed"


@dataclass
class Download:
    """One download. progress: of the file that comes now; error: why it failed."""

    thread: threading.Thread | None = None
    progress: Progress | None = None
    error: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def kind(self) -> str:
        if self.error:
            return FAILED
        return STOPPING if self.stop.is_set() else RUNNING


class Downloads:
    """Running and failed downloads by model id; those that are done or were stopped are gone.

    The threads end with the program: what has come by then is kept under an unfinished name.
    """

    def __init__(self):
        self._downloads: dict[str, Download] = {}
        self._lock = threading.Lock()

    def start(self, model: Model, models_folder: Path, places: Places) -> None:
        """Begin, or go on where an earlier one stopped; DownloadError while one for this model runs."""
        with self._lock:
            known = self._downloads.get(model.id)
            if known and not known.error:
                raise DownloadError(f"{model.title} is being downloaded already.")
            download = self._downloads[model.id] = Download()
            arguments = (download, model, models_folder, places)
            download.thread = threading.Thread(target=self._run, args=arguments, name=f"get {model.id}", daemon=True)
            download.thread.start()

    def stop(self, model: Model) -> None:
        """Ask a download to end; it does so at its next block. DownloadError when none runs."""
        with self._lock:
            known = self._downloads.get(model.id)
            if not known or known.error:
                raise DownloadError(f"{model.title} is not being downloaded.")
            known.stop.set()

    def stop_all(self, wait_s: float = 2.0) -> None:
        """Ask all to end, and give each some seconds for it."""
        with self._lock:
            running = [download for download in self._downloads.values() if not download.error]
        for download in running:
            download.stop.set()
        for download in running:
            if download.thread:
                download.thread.join(wait_s)

    def list(self) -> dict[str, Download]:
        with self._lock:
            return dict(self._downloads)

    def _run(self, download: Download, model: Model, models_folder: Path, places: Places) -> None:
        def report(progress: Progress) -> None:
            download.progress = progress

        try:
            get_model(model, models_folder, Watch(report, download.stop.is_set), places)
        except DownloadCancelled:
            pass
        except ConsistentIDError as error:
            download.error = str(error)
        except OSError as error:
            download.error = describe_os_error(error)
        except Exception as error:
            download.error = make_encodable(f"{type(error).__name__}: {error}")
            logging.error("Download of %s: %s", model.id, download.error)
        if not download.error:
            with self._lock:
                del self._downloads[model.id]
