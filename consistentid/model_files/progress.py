"""A progress bar in the terminal for each file that comes."""

from .transfer import Progress, Watch


class ProgressBar:
    """Give `watch` to a download; used as a context, the last bar is closed at the end."""

    def __init__(self):
        self.watch = Watch(report=self._report)
        self._file: str | None = None
        self._bar = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def _report(self, progress: Progress) -> None:
        from tqdm import tqdm

        bar = self._bar
        if bar is None or progress.file != self._file:
            self.__exit__()
            self._file = progress.file
            self._bar = bar = tqdm(desc=progress.file, unit="B", unit_scale=True, unit_divisor=1000)
        bar.total = progress.total
        bar.update(progress.done - bar.n)
