"""The two stages of a portrait, text alone and facial tokens, on the schedule that is really run."""

from collections.abc import Callable

from ...consistentid.merge import ALWAYS, NEVER, merge_sigma, merge_step
from .rows import FACIAL_TOKENS, TOKEN_MASKS, note_run

STAGE = "consistentid_stage"
_TOLD = (STAGE, TOKEN_MASKS, FACIAL_TOKENS)


def make_stage(name: str, fraction: float) -> dict:
    """Values of a CONDITIONING entry that is read up to ("text") or after ("facial") a fraction of the steps.

    `prepare_run` puts the border exactly between two steps; without an adapter on the MODEL, percentages of the
    schedule are the next best.
    """
    percents = (0.0, fraction) if name == "text" else (fraction, 1.0)
    stage = {"name": name, "fraction": fraction, "percents": percents}
    return {STAGE: stage, "start_percent": percents[0], "end_percent": percents[1]}


def prepare_run(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """Wrapper around a run: turn the merge point of facial conditioning into noise levels of the schedule being run."""
    guider = executor.class_obj
    to_sigma = guider.model_patcher.get_model_object("model_sampling").percent_to_sigma
    schedule = sorted(sigmas.tolist(), reverse=True)
    guider.conds = {
        name: [_place_cond(cond, schedule, to_sigma) for cond in conds] for name, conds in guider.conds.items()
    }
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


def note_conditions(executor, guider, sigmas, extra_args, callback, noise, *args, **kwargs):
    """Wrapper around the sampler: only here all conditions are there, with those that the host has added."""
    complete = {name: _complete_copies(conds) for name, conds in guider.conds.items()}
    guider.conds = note_run(complete, noise, extra_args["model_options"]["transformer_options"])
    return executor(guider, sigmas, extra_args, callback, noise, *args, **kwargs)


def _complete_copies(conds: list[dict]) -> list[dict]:
    """The conditions of one list, where a copy by the host stands for both stages and has their token masks.

    For each area in one list the host puts a copy of its first entry into the others. It gets the text of one entry
    there, the first that fits, and nothing else of it; of a stage's entry it would be there in that stage only.
    """
    firsts, complete = {}, []
    for number, cond in enumerate(conds):
        origin = firsts.setdefault(id(cond["model_conds"].get("c_crossattn")), number)
        stages = _list_stages(conds[origin:]) if origin < number else ()
        complete += [_become(cond, stage) for stage in stages] or [cond]
    return complete


def _list_stages(conds: list[dict]) -> list[dict]:
    """The first entry, and those behind it that complete its text-only and facial stage."""
    found = conds[:1]
    for cond in conds[1:]:
        before, here = (entry.get(STAGE, {}).get("name") for entry in (found[-1], cond))
        if None in (before, here) or (before, here) == ("facial", "text") or cond.get("area") != found[0].get("area"):
            break
        found.append(cond)
    return found


def _become(copy: dict, origin: dict) -> dict:
    kept = {key: value for key, value in copy.items() if key not in _TOLD}
    own = {key: origin[key] for key in (*_TOLD, "model_conds", "cross_attn") if key in origin}
    high, low = copy.get(STAGE, {}).get("range") or _read_range(copy)
    first, last = _read_range(origin) if STAGE in origin else (ALWAYS, NEVER)
    return kept | own | {"timestep_start": min(high, first), "timestep_end": max(low, last)}


def _read_range(cond: dict) -> tuple[float, float]:
    """Highest and lowest noise level at which a condition is read."""
    return cond.get("timestep_start", ALWAYS), cond.get("timestep_end", NEVER)


def _place_cond(cond: dict, schedule: list[float], to_sigma: Callable[[float], float]) -> dict:
    stage = cond.get(STAGE)
    if stage is None:
        return cond
    cond = dict(cond)
    start, end = cond.pop("start_percent", 0.0), cond.pop("end_percent", 1.0)
    if (start, end) == stage["percents"]:
        start, end = 0.0, 1.0
    # What remains is a range somebody else asked for: with ConditioningSetTimestepRange, or a CLIP hook schedule.
    high = to_sigma(max(start, cond.pop("clip_start_percent", 0.0)))
    low = to_sigma(min(end, cond.pop("clip_end_percent", 1.0)))
    step = stage["step"] if "step" in stage else merge_step(stage["fraction"], len(schedule) - 1)
    border = merge_sigma(schedule, step)
    cond[STAGE] = {**stage, "range": (high, low)}
    if stage["name"] == "text":
        return cond | {"timestep_start": high, "timestep_end": max(low, border)}
    return cond | {"timestep_start": min(high, border), "timestep_end": low}
