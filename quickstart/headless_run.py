"""The `portrait` command with the headless engine, without ComfyUI. Runs inside the environment."""

import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from consistentid.errors import CheckpointError, ConsistentIDError
from consistentid.headless.model_choice import find_checkpoint
from consistentid.headless.portrait import draw_portrait
from consistentid.headless.portrait_files import plan_files, save_portrait
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.model_files.find import choose_models_folder, list_search_folders, search_model
from consistentid.model_files.manifest import read_manifest
from consistentid.terminal import hide_loading_bars

from . import REPO
from .drawn_person import OTHER_SCENES, WORKFLOW, draw_person, explain_small_models
from .failure import Failure
from .run_results import plan_run, save_person, save_run
from .workflow_graph import read_graph

PHOTO = REPO / ".cache" / "quickstart_photo.png"
TITLES = {
    "checkpoint": "checkpoint",
    "adapter": "ConsistentID adapter",
    "clip_vision": "CLIP ViT-H",
    "face_parser": "face parser",
    "face_package": "face analysis",
}
MODEL_IDS = {"clip_vision": "clip_vision", "face_parser": "face_parser", "face_package": "face_analysis"}


def make_portrait(args):
    """Returns the exit code."""
    hide_loading_bars()
    print("Drawing with the headless engine (diffusers), without ComfyUI", flush=True)
    found = find_models(args.base, args.checkpoint)
    print("Models:")
    for name, path in found.items():
        print(f"  {TITLES[name]:<22}{path or 'missing; it belongs in the folder of CONSISTENTID_MODELS'}")
    missing = [TITLES[name] for name, path in found.items() if not path]
    if missing:
        explain_small_models(args, missing, "FOLDER")
    files = plan_run(args.out, len(OTHER_SCENES) if missing else 1)
    try:
        with TemporaryDirectory() as folder:
            if missing:
                stages, results = _draw_person(args, files, Path(folder))
            else:
                stages, results = _draw_photo(args, found, Path(folder))
            save_run(files, stages, results)
    except ConsistentIDError as error:
        raise Failure(str(error)) from error
    return 0


def _draw_photo(args, found, folder):
    """What led to the portrait, [(title, PIL image)], and the portrait, [(title, path)]."""
    inputs = _read_inputs(f"portrait_{args.base}")
    run = inputs["ConsistentID_Sampler"]
    settings = _choose_settings(
        args,
        inputs,
        run,
        face=args.photo or str(_write_photo()),
        base=args.base,
        base_config=args.base_config or "",
        prompt=args.prompt or inputs["ConsistentID_InjectTokens"]["prompt"],
        merge_at=run["start_merge_step"] / run["steps"],
        seed=args.seed,
        **{name: str(path) for name, path in found.items()},
    )
    portrait, path = _draw(settings, folder / "portrait.png")
    return portrait.stages, [("Portrait", path)]


def _draw_person(args, files, folder):
    """The same of three portraits of one drawn person, in other clothes, elsewhere."""
    inputs = _read_inputs(WORKFLOW)
    person = draw_person(inputs["ConsistentID_DrawPerson"], args.prompt)
    stages, results = [], []
    settings = _choose_settings(
        args,
        inputs,
        inputs["KSampler"],
        face=str(save_person(files, person.photo).resolve()),
        base="zoo",
        caption=person.caption,
        merge_at=inputs["ConsistentID_InjectTokens"]["merge_at"],
    )
    for number, prompt in enumerate(person.prompts):
        one = replace(settings, prompt=prompt, seed=(args.seed or 0) + number)
        title = f"Portrait {number + 1} of {len(person.prompts)}"
        portrait, path = _draw(one, folder / f"{number}.png", title)
        stages = portrait.stages
        results.append((prompt, path))
    return stages, results


def _read_inputs(workflow):
    """{kind of node: its inputs}; of two nodes of a kind, the last."""
    return {node["class_type"]: node["inputs"] for node in read_graph(workflow).values()}


def _choose_settings(args, inputs, run, **others):
    """The user's choices, and what the workflow has for the rest. run: inputs of its sampler."""
    size = inputs["EmptyLatentImage"]
    return PortraitSettings(
        negative=args.negative or inputs["ConsistentID_InjectTokens"]["negative"],
        guidance=run["cfg"],
        width=args.width or size["width"],
        height=args.height or size["height"],
        steps=args.steps or run["steps"],
        **others,
    )


def _draw(settings, path, title="Portrait"):
    """The portrait, and where its picture is, which carries the settings."""
    began = time.monotonic()
    print(f"{title}: {settings.prompt}", flush=True)
    portrait = draw_portrait(settings, progress=sys.stderr.isatty())
    save_portrait(portrait, plan_files(path, 1))
    print(f"{title}: drawn in {time.monotonic() - began:.0f} s")
    print("\n".join(portrait.report))
    return portrait, path


def find_models(base, checkpoint):
    """{part: path of the large model, or None}. Failure for a CONSISTENTID_MODELS that is not there."""
    manifest = read_manifest()
    found = dict.fromkeys(TITLES) | {"checkpoint": checkpoint}
    try:
        folder = choose_models_folder()
    except ConsistentIDError as error:
        if os.environ.get("CONSISTENTID_MODELS"):
            raise Failure(str(error)) from error
        return found
    for name, model_id in {"adapter": f"adapter_{base}", **MODEL_IDS}.items():
        model = manifest[model_id]
        found[name] = search_model(model, list_search_folders(model, folder))
    with suppress(CheckpointError):
        found["checkpoint"] = checkpoint or find_checkpoint(folder, base)
    return found


def _write_photo():
    from PIL import Image
    from skimage.data import astronaut

    print("Photo: NASA's portrait of Eileen Collins (public domain)")
    PHOTO.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(astronaut()).save(PHOTO)
    return PHOTO
