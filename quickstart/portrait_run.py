"""The `portrait` command with ComfyUI: one portrait from a photo, or three of a drawn person. Runs inside the
environment."""

import random
import signal
import sys

import torch
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.face.photo import open_picture

from .comfyui_queue import node_title, run_graph
from .comfyui_server import HOST_FOLDER, running_server
from .drawn_person import OTHER_SCENES, WORKFLOW, draw_person, explain_small_models
from .failure import Failure
from .file_lock import holding
from .model_choice import choose_models
from .run_results import plan_run, save_person, save_run
from .workflow_graph import read_graph

INPUT_PHOTO = "quickstart_photo.png"
SAMPLERS = ("ConsistentID_Sampler", "KSampler")
STAGES = {
    ("ConsistentID_DetectFace", 1, "PreviewImage", "images"): "Detected face",
    ("ConsistentID_DetectFace", 2, "PreviewImage", "images"): "Aligned crop",
    ("ConsistentID_ParseFace", 1, "PreviewImage", "images"): "Regions",
    ("ConsistentID_ParseFace", 2, "PreviewImage", "images"): "Region crops",
    ("ConsistentID_InjectTokens", 2, "PreviewAny", "source"): "Prompt with marked words",
}
"""(node, number of its output, node that shows it, its input): title, of all that leads to a portrait."""


def make_portrait(args, comfyui):
    """Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    on_cpu = not torch.accelerator.is_available()
    print(f"Starting ComfyUI ({comfyui}) on the {'CPU' if on_cpu else 'GPU'}", flush=True)
    alone = holding(HOST_FOLDER.with_name("host.lock"), "draws with a server in the same folder")
    with alone, running_server(comfyui, [comfyui / "models"], on_cpu) as address:
        chosen = choose_models(address, args.base, args.checkpoint)
        print("Models:")
        for slot, name in chosen.items():
            print(f"  {slot.label:<22}{name or f'missing; it belongs in models/{slot.home}'}")
        missing = [slot.label for slot, name in chosen.items() if not name]
        if missing:
            explain_small_models(args, missing, comfyui / "models")
        files = plan_run(args.out, len(OTHER_SCENES) if missing else 1)
        if missing:
            stages, results = _draw_person(address, args, files)
        else:
            stages, results = _draw_photo(address, args, chosen)
        save_run(files, stages, results)
    return 0


def _draw_photo(address, args, chosen):
    """What led to the portrait, [(title, PIL image)], and the portrait, [(title, path)]."""
    photo = _place_photo(args.photo)
    graph = read_graph(f"portrait_{args.base}")
    for slot, name in chosen.items():
        _set_inputs(graph, (slot.loader,), {slot.field: name})
    _set_inputs(graph, ("LoadImage",), {"image": INPUT_PHOTO})
    _set_choices(graph, args, args.prompt, random.randrange(2**32) if args.seed is None else args.seed)
    stages, results = _run(address, graph)
    return [("Photo", photo), *stages], results


def _draw_person(address, args, files):
    """The same of three portraits of one drawn person, in other clothes, elsewhere."""
    (drawn,) = (node["inputs"] for node in read_graph(WORKFLOW).values() if "person" in node["inputs"])
    person = draw_person(drawn, args.prompt)
    stages, results = [], []
    save_person(files, person.photo)
    for number, prompt in enumerate(person.prompts):
        graph = read_graph(WORKFLOW)
        _set_inputs(graph, ("EmptyLatentImage",), {"batch_size": 1})
        _set_choices(graph, args, prompt, (args.seed or 0) + number)
        stages, ((_, picture),) = _run(address, graph, f"Portrait {number + 1} of {len(person.prompts)}")
        results.append((prompt, picture))
    return [("Person", person.photo), *stages], results


def _run(address, graph, title="Portrait"):
    """Its previews, [(title, PIL image)], and what it saved, [(title, path)]; says what its nodes say."""
    graph = _show_stages(graph)
    outputs = run_graph(address, graph, title)
    for node in (node for node in outputs if outputs[node].get("text")):
        print(f"{node_title(graph, node)}: {' '.join(outputs[node]['text'])}")
    previews = [(title, Image.open(path)) for title, path in _list_pictures(graph, outputs, "PreviewImage")]
    return previews, _list_pictures(graph, outputs, "SaveImage")


def _show_stages(graph):
    """The graph with STAGES, in place of the previews of the workflow, which show the portrait once more."""
    shown = {id: node for id, node in graph.items() if node["class_type"] != "PreviewImage"}
    for id, node in graph.items():
        for (kind, output, preview, slot), title in STAGES.items():
            if node["class_type"] == kind:
                inputs = {slot: [id, output]}
                shown[f"{id}_{output}"] = {"class_type": preview, "inputs": inputs, "_meta": {"title": title}}
    return shown


def _place_photo(path):
    """The photo, upright, in the server's input folder; returned as a PIL image."""
    if path:
        try:
            photo = open_picture(path)
        except ConsistentIDError as error:
            raise Failure(f"Cannot read the photo: {error}") from error
    else:
        from skimage.data import astronaut

        print("Photo: NASA's portrait of Eileen Collins (public domain)")
        photo = Image.fromarray(astronaut())
    target = HOST_FOLDER / "input" / INPUT_PHOTO
    target.parent.mkdir(parents=True, exist_ok=True)
    photo.save(target)
    return photo


def _set_choices(graph, args, prompt, seed):
    """The user's choices; what was left out stays as it is in the workflow."""
    _set_inputs(graph, ("ConsistentID_InjectTokens",), {"prompt": prompt, "negative": args.negative})
    _set_inputs(graph, ("EmptyLatentImage",), {"width": args.width, "height": args.height})
    if args.steps:
        _scale_merge_step(graph, args.steps)
    _set_inputs(graph, SAMPLERS, {"seed": seed, "steps": args.steps})


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
