"""The metrics of a picture: their names, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """zero_if_faceless: a picture without a face counts as 0, a failure to keep the person."""

    title: str
    text: str
    higher_is_better: bool = True
    zero_if_faceless: bool = False


METRICS = {
    "clip_t": Metric("CLIP-T", "cosine of picture and prompt in CLIP"),
    "clip_i": Metric("CLIP-I", "cosine of picture and photo in CLIP, mean over the person's photos"),
    "dino": Metric("DINO", "cosine of picture and photo in DINO, mean over the person's photos"),
    "face_sim": Metric("FaceSim", "cosine of ID embeddings by the recogniser of --face-package", zero_if_faceless=True),
    "face_sim_second": Metric(
        "FaceSim, second", "the same by the recogniser of --second-package, which drew nothing", zero_if_faceless=True
    ),
    "fgis": Metric("FGIS", "mean cosine of DINO features of corresponding facial regions", zero_if_faceless=True),
    "seconds": Metric(
        "Seconds",
        "time for one picture, without the first of each call, for which models are loaded",
        higher_is_better=False,
    ),
}
FID = Metric("FID", "Frechet distance from the real photos in Inception's features", higher_is_better=False)
