"""Several running ComfyUIs as one engine: whichever is free draws the next picture."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from .comfyui import ComfyUI
from .engine import Asked, Drawing, DrawingError, Engine, EngineError, Stopwatch

LOOK_S = 1
"""Between two waits for a picture, so that Ctrl+C is heard on Windows too."""

Result = Drawing | DrawingError
Report = tuple[ComfyUI, Asked, Result | Exception]


class Servers(Engine):
    """A server that stops is left out, and its picture is drawn by another. on_left_out(text): told of each."""

    def __init__(self, servers: Sequence[ComfyUI], on_left_out: Callable[[str], None] = lambda text: None):
        self.servers, self.on_left_out = list(servers), on_left_out
        self._reasons: list[str] = []

    def describe(self) -> dict:
        """That of one server, since all are of one version; EngineError if they are not."""
        found = {}
        for server in tuple(self.servers):
            try:
                found[server.address] = server.describe()
            except EngineError as error:
                self._leave_out(server, error)
        first = next(iter(found.values()))
        if any(one != first for one in found.values()):
            versions = ", ".join(f"{address} is {one['version']}" for address, one in found.items())
            raise EngineError(
                f"Different versions of ComfyUI may draw different pictures: {versions}. Name equal ones."
            )
        return first

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """By the first that is left."""
        return self.servers[0].draw(photo, prompt, seed)

    def draw_all(self, asked: Sequence[Asked]) -> Iterator[tuple[Asked, Result]]:
        """EngineError when no server is left."""
        waiting: SimpleQueue[Asked | None] = SimpleQueue()
        reports: SimpleQueue[Report] = SimpleQueue()
        for one in asked:
            waiting.put(one)
        for server in self.servers:
            threading.Thread(target=_serve, args=(server, waiting, reports), daemon=True).start()
        missing = len(asked)
        try:
            while missing:
                server, one, result = _take(reports)
                if isinstance(result, Drawing | DrawingError):
                    missing -= 1
                    yield one, result
                elif isinstance(result, EngineError):
                    waiting.put(one)
                    self._leave_out(server, result)
                else:
                    raise result
        finally:
            while not waiting.empty():
                waiting.get()
            for _ in self.servers:
                waiting.put(None)

    def _leave_out(self, server: ComfyUI, error: EngineError) -> None:
        self.servers.remove(server)
        self._reasons.append(f"{server.address} is left out: {error}")
        if not self.servers:
            reasons = "\n".join(f"  {reason}" for reason in self._reasons)
            raise EngineError(f"No server is left; pictures are kept, and the same command goes on.\n{reasons}")
        self.on_left_out(self._reasons[-1])


def _serve(server: ComfyUI, waiting: SimpleQueue, reports: SimpleQueue) -> None:
    """One server's thread: it draws until there is nothing left, or the server fails."""
    draw = Stopwatch(server)
    while one := waiting.get():
        try:
            result = draw(one.photo, one.prompt, one.seed)
        except Exception as error:
            result = error
        reports.put((server, one, result))
        if not isinstance(result, Drawing | DrawingError):
            return


def _take(reports: SimpleQueue) -> Report:
    while True:
        try:
            return reports.get(timeout=LOOK_S)
        except Empty:
            continue
