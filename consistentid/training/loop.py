"""The training loop, on one device or several, from the newest checkpoint to the last step."""

import math
import os
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ..errors import ConsistentIDError
from ..plural import count
from ..whole_file import claim_folder, replace_file
from .assembly import Run, assemble_run
from .checkpoints import name_result, put_encoder, save_checkpoint, write_adapter
from .config import MappingConfig, TrainingConfig
from .log import Log
from .rates import find_rate
from .samples import Sample, load_batches
from .sharing import gather_optimizer, is_shared
from .sheets import SheetMaker, WordSheetMaker, make_sheets

SHEETS = "sheets"


class TrainingError(ConsistentIDError):
    """A run that cannot go on."""


def train(config: TrainingConfig) -> Path:
    """Train to the last step, going on from the newest checkpoint; returns the file of what was trained.

    Started by `accelerate launch`, every process calls this. ConsistentIDError while another run trains into `output`.
    """
    config.check()
    is_main_process = os.environ.get("RANK", "0") == "0"
    with claim_folder(Path(config.output)) if is_main_process else nullcontext():
        return _train(assemble_run(config))


def _train(run: Run) -> Path:
    config, accelerator = run.config, run.accelerator
    if accelerator.is_main_process:
        print(tell_start(run), flush=True)
    log = Log(config, run.step) if accelerator.is_main_process else None
    draws = log or is_shared(run.optimizer)  # a shared UNet computes in all processes at once
    sheets = make_sheets(run) if draws and config.sheet_every else None
    batches = load_batches(run.samples, run.step, accelerator.process_index, accelerator.num_processes)
    losses: list[dict[str, Tensor]] = []
    try:
        while run.step < config.steps:
            losses += take_step(run, islice(batches, run.accumulated))
            if is_due(run, config.log_every) or is_due(run, config.save_every):
                check_weights(run)
            if is_due(run, config.log_every):
                numbers = average(run, losses)
                losses.clear()
                if log:
                    log.write(run.step, numbers)
            if sheets and is_due(run, config.sheet_every):
                save_sheet(run, sheets, log)
            if is_due(run, config.save_every):
                save(run)
    finally:
        if log:
            log.close()
    path = name_result(config)
    if log:
        write_results(run)
    accelerator.end_training()
    return path


def tell_start(run: Run) -> str:
    """Where a run begins, or goes on; for people."""
    records, steps = count(len(run.samples.records), "record"), count(run.config.steps, "step")
    if not run.step:
        return f"Training on {records}, {steps}, into {run.config.output}."
    if run.step == run.config.steps:
        return f"{run.config.output} holds all {steps} already; its weights are written again."
    return f"Going on after step {run.step:,} of {run.config.steps:,}, from the checkpoint in {run.config.output}."


def take_step(run: Run, batches: Iterable[list[Sample]]) -> list[dict[str, Tensor]]:
    """One optimiser step; returns the losses of each micro-batch of this process."""
    accelerator, taken = run.accelerator, []
    rate = find_rate(run.config, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    for samples in batches:
        with accelerator.accumulate(run.wrapped):
            losses = run.wrapped(**run.frozen.encode(samples).as_arguments())
            accelerator.backward(losses["loss"])
            if accelerator.sync_gradients and run.config.gradient_clip:
                accelerator.clip_grad_norm_(run.trained.values(), run.config.gradient_clip)
            run.optimizer.step()
            run.optimizer.zero_grad()
        taken.append({name: value.detach().float() for name, value in losses.items()})
    run.step += 1
    if run.ema:
        run.ema.step(run.trained.values())
    return taken


def is_due(run: Run, every: int) -> bool:
    return run.step % every == 0 or run.step == run.config.steps


def check_weights(run: Run) -> None:
    """TrainingError when a weight is no longer a number; so no checkpoint holds one, and the last one is good."""
    broken = [name for name, parameter in run.trained.items() if not parameter.isfinite().all()]
    if broken:
        raise TrainingError(
            f"After step {run.step} there are values that are no numbers in {count(len(broken), 'trained tensor')}, "
            f"the first {broken[0]}. Lower learning_rate or set gradient_clip; other records, or precision: bf16, "
            f"may help too. Checkpoints in {run.config.output} from before are good."
        )


def average(run: Run, losses: list[dict[str, Tensor]]) -> dict[str, float]:
    """Means over micro-batches and processes, without those that have no number, and the learning rate."""
    values = torch.stack([torch.stack(list(part.values())) for part in losses])
    means = run.accelerator.gather(values).nanmean(0).tolist()
    known = {name: mean for name, mean in zip(losses[0], means, strict=True) if not math.isnan(mean)}
    return known | {"learning_rate": run.optimizer.param_groups[0]["lr"]}


def save(run: Run) -> None:
    """A checkpoint, by the main process; the others wait."""
    accelerator, config = run.accelerator, run.config
    if is_shared(run.optimizer):
        gather_optimizer(run.optimizer)
    if accelerator.is_main_process:
        scaler = accelerator.scaler
        state = {
            "optimizer": run.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "ema": run.ema.state_dict() if run.ema else None,
        }
        save_checkpoint(config, run.step, run.trained, state)
    accelerator.wait_for_everyone()


def write_results(run: Run) -> None:
    config, trained = run.config, run.trained
    path = name_result(config)
    if run.ema:
        average = dict(zip(trained, run.ema.shadow_params, strict=True))
        write_adapter(path.with_stem(f"{path.stem}_ema"), average, config, run.step, torch.float16)
    write_adapter(path, trained, config, run.step, torch.float16)
    if isinstance(config, MappingConfig):
        put_encoder(config)


def save_sheet(run: Run, sheets: SheetMaker | WordSheetMaker, log: Log | None) -> None:
    """Written by the process that has the log."""
    picture = sheets.draw()
    if not log:
        return
    folder = Path(run.config.output) / SHEETS
    folder.mkdir(exist_ok=True)
    with replace_file(folder / f"{run.step:08d}.png") as part:
        picture.save(part, format="PNG")
    log.show(run.step, picture)
