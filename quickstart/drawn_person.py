"""Whom the quick start draws while the large models are missing: a person who does not exist."""

import os
import sys
from dataclasses import dataclass

from PIL import Image

from zoo import drawn_faces

from . import REPO
from .failure import Failure

WORKFLOW = "small_portrait_zoo"
OTHER_SCENES = (4, 6, 10)
NEED_LARGE = {"photo": "--photo", "checkpoint": "--checkpoint", "base_config": "--base-config"}


@dataclass(frozen=True)
class DrawnPerson:
    """photo: PIL; caption: the face in words; prompts: the person in other clothes, elsewhere."""

    photo: Image.Image
    caption: str
    prompts: tuple[str, ...]


def draw_person(inputs, prompt=None):
    """inputs: of the workflow's Draw Person. prompt: the user's, for every picture."""
    shown = drawn_faces.draw_example(**inputs)
    others = (
        drawn_faces.write_scene_prompt(*drawn_faces.choose_example(inputs["person"], scene)) for scene in OTHER_SCENES
    )
    return DrawnPerson(Image.fromarray(shown.image), shown.caption, tuple(prompt or other for other in others))


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
    print(
        f"Missing: {named}. The small models that come with the pack draw instead: a drawn person, in three pictures.",
        flush=True,
    )
