"""What the attention to facial tokens was while a MODEL drew, kept for the pictures of its latest runs."""

from collections import deque

import torch
from comfy.model_patcher import ModelPatcher, set_model_options_patch_replace
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...consistentid.adapter.attention_maps import (
    AttentionRecord,
    RegionMaps,
    attend_to_regions,
    choose_sites,
    repeat_positions,
)
from ...consistentid.adapter.config import AdapterConfig
from ...consistentid.adapter.masks import Place
from ...consistentid.adapter.sites import list_sites
from ...consistentid.errors import ConsistentIDError
from .attention import IDAttentionPatch
from .patching import find_previous, install_run
from .rows import WATCH, FacialText, Rows, find_grid, list_own

KEPT_RUNS = 4


class AttentionWatch:
    """Records the latest runs of a MODEL, each with its latent. sites: where, {(block kind, number, depth)}."""

    def __init__(self, sites: frozenset[tuple[str, int, int]]):
        self.sites = sites
        self._runs: deque[tuple[Tensor, AttentionRecord]] = deque(maxlen=KEPT_RUNS)
        self._record: AttentionRecord | None = None

    def note(
        self, query: Tensor, key: Tensor, extra_options: dict, rows: Rows, bias: Tensor | None, progress: float
    ) -> None:
        """Add what one cross-attention gives to facial tokens, in rows that read them and tell what they show.

        bias: what is added to the scores [B, P, T]; progress: part of the steps done.
        """
        site = (*extra_options["block"], extra_options["block_index"])
        if self._record is None or site not in self.sites:
            return
        self._record.count = steps = len(extra_options["sample_sigmas"]) - 1
        for row, text, (picture, area) in _list_facial(rows, extra_options):
            grid = find_grid(extra_options)
            places = [repeat_positions(own, text.length, key.shape[1]) for own in text.tokens.values()]
            added = None if bias is None else bias[row]
            maps = attend_to_regions(query[row], key[row], extra_options["n_heads"], places, added)
            self._record.add(picture, round(progress * steps) + 1, list(text.tokens), maps, grid, area)

    def record_run(self, executor, *args, **kwargs):
        """Wrapper around a run."""
        self._record = record = AttentionRecord()
        try:
            samples = executor(*args, **kwargs)
        finally:
            self._record = None
        record.rest()
        self._runs.append((samples.detach().cpu(), record))
        return samples

    def find(self, latent: Tensor) -> list[RegionMaps]:
        """The maps of each picture of the latent that a run gave. Raises ConsistentIDError where there is none."""
        same = (record for samples, record in reversed(self._runs) if _is_same(samples, latent))
        if (record := next(same, None)) is None:
            raise ConsistentIDError(
                "No run of the watched MODEL gave this latent. Connect the model of 'Watch Facial Attention' to the "
                f"sampler, and the sampler's own latent here. The latest {KEPT_RUNS} runs are kept: if it was one "
                "before them, change the seed to draw again."
            )
        maps = [record.read(picture) for picture in range(len(latent))]
        if not all(own.maps for own in maps):
            raise ConsistentIDError(
                "No facial token was seen to act while this latent was drawn. Take the positive conditioning from "
                "'Inject Facial Tokens', with merge_at below 1. Samplers that draw tile by tile cannot be watched."
            )
        return maps

    def __deepcopy__(self, memo) -> "AttentionWatch":
        return self  # a copy of the MODEL is watched too


def watch_attention(model: ModelPatcher, config: AdapterConfig) -> tuple[ModelPatcher, AttentionWatch]:
    """A clone of `model` whose runs are recorded, in the layers that the localisation loss sees; and the record."""
    sites = choose_sites(list_sites(config), config.middle_blocks)
    watch = AttentionWatch(frozenset((*site.block, site.depth) for site in sites))
    clone = model.clone()
    for site in sites:
        depth, previous = find_previous(clone.model_options, site)
        if not isinstance(previous, IDAttentionPatch):  # ours see the watch
            patch = IDAttentionPatch(None, None, 0.0, previous)
            clone.model_options = set_model_options_patch_replace(
                clone.model_options, patch, "attn2", *site.block, depth
            )
    install_run(clone)
    clone.model_options["transformer_options"][WATCH] = watch
    clone.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, WATCH)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, WATCH, watch.record_run)
    return clone, watch


def _list_facial(rows: Rows, extra_options: dict) -> list[tuple[int, FacialText, Place]]:
    """Number, text and place of each row with facial tokens; none where nobody knows what rows show."""
    if not any(condition.facial_text for condition in rows.conditions):
        return []
    try:
        own, places = list_own(rows, extra_options), rows.places
    except ConsistentIDError:
        return []
    texts = [condition.facial_text for condition in rows.conditions]
    found = enumerate(zip(texts, places, own, strict=True))
    return [(row, text, place) for row, (text, place, is_own) in found if text and is_own and place[0] >= 0]


def _is_same(samples: Tensor, latent: Tensor) -> bool:
    return samples.shape == latent.shape and torch.equal(samples.to(latent.dtype), latent.cpu())
