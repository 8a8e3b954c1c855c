"""The two stages of a portrait, text alone and facial tokens, on the schedule that is really run."""

from collections.abc import Callable

from ..consistentid.merge import merge_sigma, merge_step

STAGE = "consistentid_stage"
NEGATIVES = "consistentid_negatives"
TOKEN_MASKS = "consistentid_token_masks"


def make_stage(name: str, fraction: float) -> dict:
    """Values of a CONDITIONING entry that is read up to ("text") or after ("facial") a fraction of the steps.

    `prepare_run` puts the border exactly between two steps; without an adapter on the MODEL, percentages of the
    schedule are the next best.
    """
    percents = (0.0, fraction) if name == "text" else (fraction, 1.0)
    stage = {"name": name, "fraction": fraction, "percents": percents}
    return {STAGE: stage, "start_percent": percents[0], "end_percent": percents[1]}


def prepare_run(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """Sampling wrapper: turn the merge point of facial conditioning into noise levels of the schedule being run, and
    note which conditions are negative and which have facial tokens with a mask."""
    guider = executor.class_obj
    to_sigma = guider.model_patcher.get_model_object("model_sampling").percent_to_sigma
    schedule = sorted(sigmas.tolist(), reverse=True)
    guider.conds = {
        name: [_place_cond(cond, schedule, to_sigma) for cond in conds] for name, conds in guider.conds.items()
    }
    negatives = [cond["uuid"] for name, conds in guider.conds.items() if "negative" in name for cond in conds]
    masks = {
        cond["uuid"]: cond[TOKEN_MASKS] for conds in guider.conds.values() for cond in conds if TOKEN_MASKS in cond
    }
    # The guider's options are a copy that lives as long as the run.
    guider.model_options["transformer_options"] |= {NEGATIVES: frozenset(negatives), TOKEN_MASKS: masks}
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


def list_conditional(extra_options: dict) -> list[bool]:
    """For each part of the batch whether it is conditional; by what the run noted, since guiders number conditions
    in their own ways."""
    negatives = extra_options.get(NEGATIVES)
    if negatives is None:
        return [kind == 0 for kind in extra_options["cond_or_uncond"]]
    return [uuid not in negatives for uuid in extra_options["uuids"]]


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
    if stage["name"] == "text":
        return cond | {"timestep_start": high, "timestep_end": max(low, border)}
    return cond | {"timestep_start": min(high, border), "timestep_end": low}
