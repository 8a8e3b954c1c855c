"""The metrics of a picture: their names, what they need, and which way is better."""

from collections.abc import Collection
from dataclasses import dataclass

RECOGNISERS = {"face_sim": "face_package", "face_sim_second": "second_package", "face_sim_third": "third_package"}
"""{metric: the model that measures it}; the first may have conditioned the pictures, the others have not."""
CLIPS = {"": "clip", "_second": "second_clip"}
"""{what its metrics end with: model}"""


@dataclass(frozen=True)
class Metric:
    """zero_if_faceless: a picture without a face counts as 0, a failure to keep the person. optional: not worth a line
    that says it was not measured."""

    title: str
    text: str
    higher_is_better: bool = True
    zero_if_faceless: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Needs:
    """Models of a metric. every: without one of these it is not measured; any: of these one must be there; beside:
    these take part where they are there."""

    every: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def explain_missing(self, given: Collection[str]) -> str:
        """What keeps it from being measured, or ""."""
        lacking = [_write(name) for name in self.every if name not in given]
        if self.any and not any(name in given for name in self.any):
            lacking.append(f"{_write(self.any[0])} or another of its kind")
        return f"not measured: no {', '.join(lacking)}" if lacking else ""

    @property
    def models(self) -> tuple[str, ...]:
        return (*self.every, *self.any, *self.beside)


def _write(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _index(mean: str) -> Metric:
    return Metric(f"Likeness and text, {mean}", f"{mean} mean of FaceSim and CLIP-T of the picture", optional=True)


def _copied(what: str) -> Metric:
    text = f"{what}: 1 as the photo drawn from, 0 no nearer to it than to other photos of the person, -1 as those"
    return Metric(f"Copy-paste, {what}", text, higher_is_better=False, optional=True)


METRICS = {
    "clip_t": Metric("CLIP-T", "cosine of picture and prompt in CLIP"),
    "clip_t_second": Metric("CLIP-T, second", "the same in the CLIP of --second-clip", optional=True),
    "clip_i": Metric("CLIP-I", "cosine of picture and photo in CLIP, mean over the person's photos"),
    "clip_i_second": Metric("CLIP-I, second", "the same in the CLIP of --second-clip", optional=True),
    "dino": Metric("DINO", "cosine of picture and photo in DINO, mean over the person's photos"),
    "face_sim": Metric("FaceSim", "cosine of ID embeddings by the recogniser of --face-package", zero_if_faceless=True),
    "face_sim_second": Metric(
        "FaceSim, second", "the same by the recogniser of --second-package, which drew nothing", zero_if_faceless=True
    ),
    "face_sim_third": Metric(
        "FaceSim, third", "the same by the recogniser of --third-package", zero_if_faceless=True, optional=True
    ),
    "fgis": Metric("FGIS", "mean cosine of DINO features of corresponding facial regions", zero_if_faceless=True),
    "index_arithmetic": _index("arithmetic"),
    "index_geometric": _index("geometric"),
    "index_harmonic": _index("harmonic"),
    "copy_identity": _copied("identity"),
    "copy_pose": _copied("pose"),
    "copy_light": _copied("light"),
    "seconds": Metric(
        "Seconds",
        "time for one picture, without the first of each call, for which models are loaded",
        higher_is_better=False,
    ),
}
FID = Metric("FID", "Frechet distance from the real photos in Inception's features", higher_is_better=False)

_RECOGNISED = tuple(RECOGNISERS.values())
_INDEX = Needs(("clip",), _RECOGNISED, ("second_clip",))
NEEDS = {
    **{f"clip_t{end}": Needs((name,)) for end, name in CLIPS.items()},
    **{f"clip_i{end}": Needs((name,)) for end, name in CLIPS.items()},
    "dino": Needs(("dino",)),
    **{metric: Needs((name,)) for metric, name in RECOGNISERS.items()},
    "fgis": Needs(("dino", "face_parser"), beside=("face_package",)),  # which chooses the face
    **dict.fromkeys(("index_arithmetic", "index_geometric", "index_harmonic"), _INDEX),
    **dict.fromkeys(("copy_identity", "copy_pose", "copy_light"), Needs(any=_RECOGNISED)),
    "fid": Needs(("inception",)),
}
"""The models without which a metric is not measured, and those that change its numbers."""
