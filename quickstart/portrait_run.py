"""Photo in, portrait and contact sheet out. Runs inside the environment."""

import json
import random
import shutil
import signal
import sys
from datetime import datetime
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from comfyui_queue import node_title, run_graph
from comfyui_server import HOST_FOLDER, running_server
from model_choice import SLOTS, choose_models, write_standins
from portrait_defaults import STANDIN_RUN, WORKFLOWS
from quickstart_failure import Failure
from standins import load_core, open_folder

INPUT_PHOTO = "quickstart_photo.png"
SAMPLERS = ("ConsistentID_Sampler", "KSampler")


def make_portrait(args, comfyui):
    """The `portrait` command; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    graph = json.loads((WORKFLOWS / f"portrait_{args.base}.json").read_text(encoding="utf-8"))
    photo = _place_photo(args.photo)
    on_cpu = not torch.accelerator.is_available()
    print(f"Starting ComfyUI ({comfyui}) on the {'CPU' if on_cpu else 'GPU'}", flush=True)
    standin_models = open_folder()
    with running_server(comfyui, [comfyui / "models", standin_models], on_cpu) as address:
        chosen = choose_models(address, args.base, args.checkpoint)
        missing = [slot for slot, name in chosen.items() if not name]
        _announce(chosen)
        face_analysis = SLOTS[args.base].face_analysis
        if args.photo and face_analysis in missing:
            raise Failure(
                "The stand-in face detector knows only the built-in photo's face. To use your own photo, unpack "
                f"InsightFace's buffalo_l.zip to {comfyui / 'models' / face_analysis.home}; or leave out --photo."
            )
        names = write_standins(standin_models, args.base, chosen, comfyui)
        _adjust_graph(graph, args, names, bool(missing))
        outputs = run_graph(address, graph)
    for node in (node for node in outputs if outputs[node].get("text")):
        print(f"{node_title(graph, node)}: {' '.join(outputs[node]['text'])}")
    note = f"Stand-ins for {_join_labels(missing)}: noise, not a portrait." if missing else ""
    portrait, sheet = _save(Path(args.out), graph, outputs, photo, note)
    print(f"\nPortrait       {portrait}\nContact sheet  {sheet}")
    if missing:
        print(f"\nStand-ins were used for {_join_labels(missing)}: the picture is noise, not a portrait.")
    return 0


def _place_photo(path):
    """The photo, upright, in the server's input folder; returned as a PIL image."""
    if path:
        try:
            photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise Failure(f"Cannot read the photo {path}: {error}") from error
    else:
        from skimage.data import astronaut

        photo = Image.fromarray(astronaut())
        print("Photo: NASA's portrait of Eileen Collins (public domain)")
    target = HOST_FOLDER / "input" / INPUT_PHOTO
    target.parent.mkdir(parents=True, exist_ok=True)
    photo.save(target)
    return photo


def _announce(chosen):
    print("Models:")
    for slot, name in chosen.items():
        print(f"  {slot.label:<22}{name or f'STAND-IN (the real one belongs in models/{slot.home})'}")
    if not all(chosen.values()):
        print("With stand-ins the picture will be noise: the run shows that everything works, not a likeness.")


def _adjust_graph(graph, args, names, small):
    """Fill the user's choices and the model names into the workflow, in place."""
    size = {key: getattr(args, key) or (STANDIN_RUN[key] if small else None) for key in STANDIN_RUN}
    seed = random.randrange(2**32) if args.seed is None else args.seed
    for slot, name in names.items():
        _set_inputs(graph, (slot.loader,), {slot.field: name})
    _set_inputs(graph, ("LoadImage",), {"image": INPUT_PHOTO})
    _set_inputs(graph, ("ConsistentID_InjectTokens",), {"prompt": args.prompt, "negative": args.negative})
    _set_inputs(graph, ("EmptyLatentImage",), {"width": size["width"], "height": size["height"]})
    if size["steps"]:
        _scale_merge_step(graph, size["steps"])
    _set_inputs(graph, SAMPLERS, {"seed": seed, "steps": size["steps"]})


def _scale_merge_step(graph, steps):
    """Keep the merge at the same fraction of the run."""
    for inputs in (node["inputs"] for node in graph.values() if "start_merge_step" in node["inputs"]):
        inputs["start_merge_step"] = inputs["start_merge_step"] * steps // inputs["steps"]


def _set_inputs(graph, kinds, values):
    """Give the nodes of these kinds every value that is not None; a choice no node takes is an error."""
    nodes = [node for node in graph.values() if node["class_type"] in kinds]
    for key, value in values.items():
        if value is None:
            continue
        takers = [node for node in nodes if key in node["inputs"]]
        if not takers:
            raise Failure(f"The workflow has no {' or '.join(kinds)} with an input {key!r}.")
        for node in takers:
            node["inputs"][key] = value


def _save(folder, graph, outputs, photo, note):
    """Copy the portrait (its PNG carries the workflow) and draw the contact sheet; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"portrait_{datetime.now():%Y%m%d_%H%M%S}"
    portrait, sheet = folder / f"{stem}.png", folder / f"{stem}_stages.png"
    (_, result), *_ = _list_pictures(graph, outputs, "SaveImage")
    shutil.copyfile(result, portrait)
    stages = [(title, Image.open(path)) for title, path in _list_pictures(graph, outputs, "PreviewImage")]
    draw = load_core()("hosts.contact_sheet").draw_contact_sheet
    draw([("Photo", photo), *stages, ("Result", Image.open(portrait))], note).save(sheet)
    return portrait.resolve(), sheet.resolve()


def _list_pictures(graph, outputs, kind):
    """(title, path) of each picture of the nodes of one kind, in the graph's order."""
    found = []
    for node in (node for node in graph if graph[node]["class_type"] == kind):
        images = outputs[node]["images"]
        for number, image in enumerate(images, 1):
            count = f" {number}/{len(images)}" if len(images) > 1 else ""
            path = HOST_FOLDER / image["type"] / image["subfolder"] / image["filename"]
            found.append((node_title(graph, node) + count, path))
    return found


def _join_labels(slots):
    return ", ".join(slot.label for slot in slots)
