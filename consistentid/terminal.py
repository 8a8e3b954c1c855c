"""What commands show in the terminal while they work."""

import logging
import warnings
from collections.abc import Callable
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


def show_progress(title: str, unit: str) -> Callable[[int, int], None]:
    """A bar with the time that is left, for work that tells (done, total) from (0, total) on.

    Only for people: nothing where the output is a file. It may be used for one work after the other.
    """
    bar: tqdm | None = None

    def report(done: int, total: int) -> None:
        from tqdm import tqdm

        nonlocal bar
        if bar is None and total:
            bar = tqdm(desc=title, total=total, unit=f" {unit}", disable=None)
        if bar is not None:
            bar.update(done - bar.n)
            if done == total:
                bar.close()
                bar = None

    return report


def tell_duration(seconds: float) -> str:
    """For people: 40 s, 12 min, 3 h 5 min.

    >>> tell_duration(40.2), tell_duration(725), tell_duration(11_100)
    ('40 s', '12 min', '3 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


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
