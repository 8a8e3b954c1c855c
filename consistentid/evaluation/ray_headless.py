"""The headless engine in processes of Ray, here or on many machines, each with the models loaded once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..headless.portrait_settings import PortraitSettings
from ..headless.ray_hands import choose_worker_device
from ..ray_session import Cluster, SentFiles, make_column, map_rows, ray_session
from .engine import Asked, Drawing, DrawingError, Engine, Stopwatch
from .headless import Headless


class RayHeadless(Engine):
    """As Headless, whose pictures it draws. Models are at the same paths on every machine, photos are sent."""

    def __init__(
        self, settings: PortraitSettings, any_photo: Path, captions: Mapping[Path, str] | None, cluster: Cluster
    ):
        device, dtype = choose_worker_device(settings, cluster)
        self.cluster = cluster
        self.alone = Headless(settings, any_photo, captions, (device, dtype))

    def describe(self) -> dict:
        return self.alone.describe()

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """Without Ray."""
        return self.alone.draw(photo, prompt, seed)

    def draw_all(self, asked: Sequence[Asked]) -> Iterator[tuple[Asked, Drawing | DrawingError]]:
        """RayError when Ray cannot go on."""
        if not asked:
            return
        captions = {str(photo): caption for photo, caption in self.alone.captions.items()}
        with ray_session(self.cluster) as ray:
            sent = SentFiles(ray, (str(one.photo) for one in asked))
            rows = [
                {"number": number, "photo": str(one.photo), "prompt": one.prompt, "seed": one.seed}
                for number, one in enumerate(asked)
            ]
            given = self.alone.settings, captions, sent
            for block in map_rows(ray, rows, Drawer, given, self.cluster, 1):
                for number, drawn in zip(block["number"], block["drawn"], strict=True):
                    yield asked[int(number)], DrawingError(drawn) if isinstance(drawn, str) else drawn


class Drawer:
    """One process of Ray: photos, prompts and seeds -> pictures, or why there is none."""

    def __init__(self, settings: PortraitSettings, captions: Mapping[str, str], sent: SentFiles):
        self.captions, self.sent = captions, sent
        self.local_captions: dict[Path, str] = {}
        self.engine = Stopwatch(Headless(settings, Path(settings.face), self.local_captions))

    def __call__(self, rows: dict) -> dict:
        cases = zip(map(str, rows["photo"]), map(str, rows["prompt"]), map(int, rows["seed"]), strict=True)
        return {"number": rows["number"], "drawn": make_column([self.draw(*case) for case in cases])}

    def draw(self, photo: str, prompt: str, seed: int) -> Drawing | str:
        path = Path(self.sent.fetch(photo))
        if photo in self.captions:
            self.local_captions[path] = self.captions[photo]
        try:
            return self.engine(path, prompt, seed)
        except DrawingError as error:
            return str(error)
