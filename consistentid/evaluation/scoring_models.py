"""The models that measure: which are there, and what cannot be measured without the others."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ..errors import ConsistentIDError
from ..fingerprint import describe_file
from .metrics import NEEDS


@dataclass(frozen=True)
class ScoringModels:
    """Paths, "" for a model that is not there. device: of all but InsightFace, which chooses its own."""

    clip: str = ""
    dino: str = ""
    face_package: str = ""
    second_package: str = ""
    face_parser: str = ""
    inception: str = ""
    device: str = "cpu"
    second_clip: str = ""
    third_package: str = ""

    def check(self) -> None:
        """ConsistentIDError for a path that is not there."""
        for name, path in asdict(self).items():
            if name != "device" and path and not Path(path).exists():
                raise ConsistentIDError(f"--{name.replace('_', '-')}: there is no {path}.")

    def explain_missing(self) -> dict[str, str]:
        """{metric: why it is not measured}"""
        given = {name for name, path in asdict(self).items() if path}
        return {metric: reason for metric, needs in NEEDS.items() if (reason := needs.explain_missing(given))}

    def describe(self) -> dict:
        """{name: file and hash} of the models that are there."""
        return self._described

    @cached_property
    def _described(self) -> dict:
        return {name: describe_file(path) for name, path in asdict(self).items() if path and name != "device"}
