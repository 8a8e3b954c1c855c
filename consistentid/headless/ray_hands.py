"""Who does the work of a plan of portraits: processes of Ray, here or on many machines."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from ..errors import ConsistentIDError
from ..ray_session import Cluster, SentFiles, make_column, map_rows
from ..whole_file import replace_file
from .hands import Hands, Read, load_shared, read_person
from .kept_people import KeptPeople
from .portrait_settings import PortraitSettings
from .studio import Asked, Drawn, Group, Studio, Words


class RayHands(Hands):
    """Models are at the same paths on every machine; photos and identities are sent, and pictures come back."""

    def __init__(self, ray, cluster: Cluster, models: PortraitSettings, folder: Path):
        self.ray, self.cluster = ray, cluster
        device, dtype = choose_worker_device(models, cluster)
        self.adapter, settings = load_shared(replace(models, device="cpu", dtype=dtype))
        self.settings = replace(settings, device=device)
        self.people = KeptPeople(self.settings, self.adapter, folder)

    def read(self, photos: Sequence[str]) -> Iterator[tuple[str, Read]]:
        missing = []
        for photo in photos:
            try:
                if self.people.has(photo):
                    yield photo, {}
                else:
                    missing.append((photo, SentFiles(self.ray, [photo])))
            except (ConsistentIDError, OSError) as error:
                yield photo, str(error)
        rows = [{"photo": photo, "sent": sent} for photo, sent in missing]
        for block in self._map(rows, Reader, (self.settings,)):
            for photo, found, identity in zip(block["photo"], block["found"], block["identity"], strict=True):
                if identity:
                    file = self.people.find_file(str(photo))
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with replace_file(file) as part:
                        part.write_bytes(identity)
                yield str(photo), found

    def draw(self, groups: Sequence[Group], words: Words) -> Iterator[tuple[Group, list[Drawn]]]:
        named = [replace(group, asked=tuple(map(self._name_identity, group.asked))) for group in groups]
        sent = SentFiles(self.ray, self._list_identities(named))
        rows = [{"number": number, "group": group} for number, group in enumerate(named)]
        for block in self._map(rows, Drawer, (self.settings, words, sent)):
            for number, drawn in zip(block["number"], block["drawn"], strict=True):
                yield groups[int(number)], drawn

    def _map(self, rows: list[dict], worker: type, given: tuple) -> Iterator[dict]:
        """Row by row, since each takes seconds."""
        return map_rows(self.ray, rows, worker, given, self.cluster, 1) if rows else iter(())

    def _name_identity(self, asked: Asked) -> Asked:
        """With the file of the identity that was read from the photo."""
        settings = asked.settings
        if self.adapter is None or settings.identity:
            return asked
        return replace(asked, settings=replace(settings, identity=str(self.people.find_file(settings.face))))

    def _list_identities(self, groups: Sequence[Group]) -> list[str]:
        return [asked.settings.identity for group in groups for asked in group.asked if asked.settings.identity]


class Reader:
    """One process of Ray: photos -> identity files and words."""

    def __init__(self, settings: PortraitSettings):
        self.people = KeptPeople(settings, load_shared(settings)[0], Path(mkdtemp(prefix="consistentid-")))

    def __call__(self, rows: dict) -> dict:
        photos = [sent.fetch(photo) for photo, sent in zip(map(str, rows["photo"]), rows["sent"], strict=True)]
        found = [read_person(self.people, photo) for photo in photos]
        identities = [
            b"" if isinstance(one, str) or self.people.adapter is None else self.people.find_file(photo).read_bytes()
            for photo, one in zip(photos, found, strict=True)
        ]
        return {"photo": rows["photo"], "found": make_column(found), "identity": make_column(identities)}


class Drawer:
    """One process of Ray: groups of rows -> their pictures."""

    def __init__(self, settings: PortraitSettings, words: Words, sent: SentFiles):
        adapter, settings = load_shared(settings)
        self.sent, self.studio = sent, Studio(settings, adapter, KeptPeople(settings, adapter, Path()), words)

    def __call__(self, rows: dict) -> dict:
        groups = [replace(group, asked=tuple(map(self._fetch, group.asked))) for group in rows["group"]]
        return {"number": rows["number"], "drawn": make_column([self.studio.draw(group) for group in groups])}

    def _fetch(self, asked: Asked) -> Asked:
        identity = asked.settings.identity
        if not identity:
            return asked
        return replace(asked, settings=replace(asked.settings, identity=self.sent.fetch(identity)))


def choose_worker_device(settings: PortraitSettings, cluster: Cluster) -> tuple[str, str]:
    """Device and precision of processes that are on another machine: CUDA in float16 where each has a share of a GPU,
    else the CPU in float32. ConsistentIDError for a device that they do not get."""
    device = ("cuda" if cluster.gpu_share else "cpu") if settings.device == "auto" else settings.device
    cluster.require_gpu(device)
    usual = "float32" if device == "cpu" else "float16"
    return device, usual if settings.dtype == "auto" else settings.dtype
