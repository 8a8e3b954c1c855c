"""Photo in, portrait and contact sheet out, with diffusers instead of ComfyUI. Runs inside the environment."""

import json
import sys
from datetime import datetime
from pathlib import Path

import headless_standins
import standins
from portrait_defaults import STANDIN_RUN, WORKFLOWS
from quickstart_failure import Failure

PHOTO = headless_standins.HOME.parent / "quickstart_photo.png"
TITLES = {
    "checkpoint": "checkpoint",
    "adapter": "ConsistentID adapter",
    "clip_vision": "CLIP ViT-H",
    "face_parser": "face parser",
    "face_package": "face analysis",
}
MODEL_IDS = {"clip_vision": "clip_vision", "face_parser": "face_parser", "face_package": "face_analysis"}


def make_portrait(args):
    """The `portrait` command without ComfyUI; returns the exit code."""
    core = standins.load_core()
    hosts = {name: core(f"hosts.{name}") for name in ("command", "portrait", "portrait_files", "portrait_settings")}
    hosts["command"].hide_loading_bars()
    print("Drawing with diffusers, without ComfyUI", flush=True)
    try:
        found = find_models(core, args.base, args.checkpoint)
        missing = [name for name, path in found.items() if not path]
        _announce(found)
        if args.photo and "face_package" in missing:
            raise Failure(
                "The stand-in face detector knows only the built-in photo's face. To use your own photo, name a folder "
                "like ComfyUI/models with InsightFace's buffalo_l in CONSISTENTID_MODELS; or leave out --photo."
            )
        paths = found | write_standins(found, args.base)
        settings = choose_settings(hosts["portrait_settings"].PortraitSettings, args, paths, bool(missing))
        files = hosts["portrait_files"].plan_files(
            Path(args.out) / f"portrait_{datetime.now():%Y%m%d_%H%M%S}.png", settings.batch
        )
        portrait = hosts["portrait"].draw_portrait(settings, progress=sys.stderr.isatty())
        labels = ", ".join(TITLES[name] for name in missing)
        note = f"Stand-ins for {labels}: noise, not a portrait." if missing else ""
        hosts["portrait_files"].save_portrait(portrait, files, note)
    except core("errors").ConsistentIDError as error:
        raise Failure(str(error)) from error
    print("\n".join(portrait.report))
    print(f"\nPortrait       {files.pictures[0].resolve()}\nContact sheet  {files.sheet.resolve()}")
    if missing:
        print(f"\nStand-ins were used for {labels}: the picture is noise, not a portrait.")
    return 0


def find_models(core, base, checkpoint):
    """{part: path of the real model, or None}; a checkpoint and an adapter that do not fit each other are not mixed."""
    find, manifest = core("models.find"), core("models.manifest").read_manifest()
    files, errors = core("hosts.model_files"), core("errors")
    found = dict.fromkeys(TITLES) | {"checkpoint": checkpoint}
    try:
        folder = find.choose_models_folder()
    except errors.ConsistentIDError:
        return found
    for name, model_id in {"adapter": f"adapter_{base}", **MODEL_IDS}.items():
        model = manifest[model_id]
        found[name] = find.search_model(model, find.list_search_folders(model, folder))
    try:
        found["checkpoint"] = checkpoint or files.find_checkpoint(folder, base)
    except errors.CheckpointError:
        found["adapter"] = None  # the real adapter does not fit the narrow stand-in checkpoint
    return found


def write_standins(found, base):
    """{part: path} of the stand-ins for what was not found."""
    missing = [name for name, path in found.items() if not path]
    if found["checkpoint"] and "adapter" in missing:
        missing.remove("adapter")
        path = standins.open_folder() / standins.FULL_ADAPTER[base]
        standins.write_missing(standins.open_folder(), [standins.FULL_ADAPTER[base]], None)
        return {"adapter": path} | headless_standins.prepare(missing, base)
    return headless_standins.prepare(missing, base)


def choose_settings(settings, args, paths, small):
    """The user's choices, else those of the workflow that ComfyUI would run; with stand-ins a small picture."""
    graph = json.loads((WORKFLOWS / f"portrait_{args.base}.json").read_text(encoding="utf-8"))
    inputs = {node["class_type"]: node["inputs"] for node in graph.values()}
    text, run = inputs["ConsistentID_InjectTokens"], inputs["ConsistentID_Sampler"]
    size = inputs["EmptyLatentImage"] | {"steps": run["steps"]} | (STANDIN_RUN if small else {})
    return settings(
        face=args.photo or str(_write_photo()),
        prompt=args.prompt or text["prompt"],
        negative=args.negative or text["negative"],
        guidance=run["cfg"],
        merge_at=run["start_merge_step"] / run["steps"],
        seed=args.seed,
        base_config=args.base_config or "",
        **{key: getattr(args, key) or size[key] for key in ("width", "height", "steps")},
        **{name: str(path) for name, path in paths.items()},
    )


def _write_photo():
    from PIL import Image
    from skimage.data import astronaut

    print("Photo: NASA's portrait of Eileen Collins (public domain)")
    PHOTO.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(astronaut()).save(PHOTO)
    return PHOTO


def _announce(found):
    print("Models:")
    for name, path in found.items():
        print(f"  {TITLES[name]:<22}{path or 'STAND-IN'}")
    if not all(found.values()):
        print(
            "With stand-ins the picture will be noise: the run shows that everything works, not a likeness.\n"
            "Real models are looked for in the folder named by CONSISTENTID_MODELS, laid out like ComfyUI/models."
        )
