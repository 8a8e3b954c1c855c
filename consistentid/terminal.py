"""What commands show in the terminal while they work."""

import logging
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from .model_files.watch import Progress, Watch

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBar:
    """A bar for each file that comes; give `watch` to a download. Used as a context, it ends the last one."""

    def __init__(self):
        self.watch = Watch(report=self._report)
        self._file: str | None = None
        self._bar: tqdm | None = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def _report(self, progress: Progress) -> None:
        from tqdm import tqdm

        if self._bar is None or progress.file != self._file:
            self.__exit__()
            self._file = progress.file
            self._bar = tqdm(desc=progress.file, unit="B", unit_scale=True, unit_divisor=1000)
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)


def print_progress(word: str, done: int, total: int) -> None:
    """One line that counts: "Drawn 2 of 8". Only for people: nothing where the output is a file."""
    if sys.stderr.isatty():
        print(f"\r{word} {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def hide_loading_bars() -> None:
    """Silence the bars of transformers and diffusers for each small file, and what InsightFace says to its authors.

    Also that diffusers wonders at an AutoencoderTiny in a pipeline.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="insightface")
    for module in ("configuration_utils", "pipelines.pipeline_utils"):
        logger = logging.getLogger(f"diffusers.{module}")
        logger.addFilter(lambda record: "AutoencoderTiny" not in record.getMessage())
    for package in ("diffusers", "transformers"):
        with suppress(ImportError):
            import_module(f"{package}.utils.logging").disable_progress_bar()
