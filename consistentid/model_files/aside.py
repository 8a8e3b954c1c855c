"""Work that may wait long for a network, done in a thread of its own, which can be left behind at any moment.

Looking up a name, connecting, and reading from a server that is slow cannot be interrupted in the thread that does it.
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.1
Result = TypeVar("Result")


class Aside:
    """One thread for several pieces of work, one after the other.

    check: called meanwhile in the thread that waits; what it raises, as what Ctrl-C does, leaves the work behind.
    """

    def __init__(self, check: Callable[[], None]):
        self.check = check
        self.is_busy = False
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._work, name="network", daemon=True).start()

    def __enter__(self) -> "Aside":
        return self

    def __exit__(self, *_) -> None:
        self._tasks.put(None)

    def run(self, work: Callable[[], Result]) -> Result:
        """What the work returns or raises."""
        self._tasks.put(work)
        self.is_busy = True
        while True:
            self.check()
            try:
                result, error = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                continue
            self.is_busy = False
            if error is not None:
                raise error
            return result

    def leave(self, work: Callable[[], object]) -> None:
        """Have some last work done when there is time for it."""
        self._tasks.put(work)

    def _work(self) -> None:
        while task := self._tasks.get():
            try:
                self._answers.put((task(), None))
            except BaseException as error:
                self._answers.put((None, error))


def run_aside(work: Callable[[], Result], check: Callable[[], None]) -> Result:
    """What one piece of work returns or raises; `check` may raise meanwhile, and leaves it behind."""
    with Aside(check) as aside:
        return aside.run(work)
