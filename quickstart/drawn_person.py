"""Whom the quick start draws while the large models are missing: a person who does not exist, like a photo if there is
one."""

import os
import sys
from dataclasses import dataclass

from PIL import Image

from consistentid.caption.traits import load_trait_reader, read_traits
from consistentid.errors import ConsistentIDError
from consistentid.face.package import load_face_analysis
from consistentid.face.photo import open_photo
from consistentid.face.search import FaceSearch
from consistentid.model_files.small_models import find_trait_reader, find_zoo
from zoo import drawn_faces

from . import REPO
from .failure import Failure
from .workflow_graph import read_graph

WORKFLOW, PHOTO_WORKFLOW = "small_portrait_zoo", "small_photo_zoo"
OTHER_SCENES = (4, 6, 10)
PHOTO_PX = 512
NEED_LARGE = {"checkpoint": "--checkpoint", "base_config": "--base-config"}


@dataclass(frozen=True)
class DrawnPerson:
    """photo: PIL; caption: the face in words; prompts: the person in other clothes, elsewhere."""

    photo: Image.Image
    caption: str
    prompts: tuple[str, ...]


def choose_person(args):
    """(workflow that draws the person, DrawnPerson): like the photo that was named, else of the workflow's number."""
    if args.photo:
        return PHOTO_WORKFLOW, draw_lookalike(args.photo, args.prompt)
    (inputs,) = (node["inputs"] for node in read_graph(WORKFLOW).values() if "person" in node["inputs"])
    return WORKFLOW, draw_person(inputs, args.prompt)


def draw_person(inputs, prompt=None):
    """inputs: of the workflow's Draw Person. prompt: the user's, for every picture."""
    who, _ = drawn_faces.choose_example(inputs["person"], inputs["scene"])
    return _show(drawn_faces.draw_example(**inputs), who, inputs["person"], prompt)


def draw_lookalike(path, prompt=None):
    """A cartoon with the looks of a photo. Failure for a photo without a face."""
    try:
        photo = open_photo(path)
        analysis = load_face_analysis(find_zoo(["face_package"])["face_package"], "CPU")
        (face,) = FaceSearch(analysis).find(photo).chosen
        chances = read_traits(load_trait_reader(find_trait_reader()), photo, face.box)
    except ConsistentIDError as error:
        raise Failure(f"{path}: {error}") from error
    print(drawn_faces.describe_chances(chances), flush=True)
    who = drawn_faces.choose_lookalike(chances)
    return _show(drawn_faces.draw_lookalike(who, PHOTO_PX), who, 0, prompt)


def _show(shown, who, number, prompt):
    scenes = (drawn_faces.choose_example(number, scene)[1] for scene in OTHER_SCENES)
    prompts = tuple(prompt or drawn_faces.write_scene_prompt(who, scene) for scene in scenes)
    return DrawnPerson(Image.fromarray(shown.image), shown.caption, prompts)


def explain_small_models(args, missing, folder):
    """Say that the small models stand in for the large; Failure for wishes that they cannot grant.

    folder: of models, where the large ones belong.
    """
    named = ", ".join(missing)
    wishes = [option for name, option in NEED_LARGE.items() if getattr(args, name)]
    wishes += ["--base sdxl"] if args.base == "sdxl" else []
    if wishes:
        python = os.path.relpath(sys.executable, REPO)
        raise Failure(
            f"{' and '.join(wishes)}: this needs the large models, and these are missing: {named}.\n"
            f'{python} -m consistentid models get {args.base} example_{args.base} --models-folder "{folder}"\n'
            "in the folder of this pack downloads them. example_... is a checkpoint; --checkpoint takes another one of "
            "yours. Without these options a drawn person is shown, with the small models."
        )
    who = f"a cartoon with the looks of {args.photo}" if args.photo else "a drawn person"
    print(
        f"Missing: {named}. The small models that come with the pack draw instead: {who}, in three pictures.",
        flush=True,
    )
