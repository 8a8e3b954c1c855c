"""`python -m zoo.recipe.attention PICTURE`: where facial tokens act while held-out people are drawn.

With --other, by two adapters from the same noise, as the paper shows training with and without localisation.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from consistentid.adapter.config import ZOO
from consistentid.attention_sheet import draw_attention_sheet
from consistentid.headless.portrait import Portrait, draw_portrait
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.model_files.small_models import ZOO_FOLDER
from consistentid.terminal import hide_loading_bars
from zoo.drawn_faces import draw_example

from .proof import ADAPTER, PHOTO_PX, UNLOCALISED
from .proof import STEPS as SAMPLING_STEPS

NEW_SCENE = 4


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.recipe.attention", description="Where the small models' tokens act.")
    parser.add_argument("picture", type=Path, help="to write")
    parser.add_argument("--models", type=Path, default=ZOO_FOLDER, help="their folder")
    parser.add_argument("--other", type=Path, help=f"an adapter to compare with, such as {UNLOCALISED}")
    parser.add_argument("--people", type=int, nargs="+", default=[3], help="their numbers, as of Draw Person")
    parser.add_argument("--steps", type=int, default=0, help="how many single steps to show below the mean")
    arguments = parser.parse_args(words)
    hide_loading_bars()
    adapters = {"with localisation": arguments.models / ADAPTER}
    adapters |= {"the other": arguments.other} if arguments.other else {}
    runs = [(person, adapter) for person in arguments.people for adapter in adapters.values()]
    drawn = [draw_watched(person, arguments.models, adapter) for person, adapter in runs]
    pictures, maps = [run.images[0] for run in drawn], [run.attention[0] for run in drawn]
    sheet = draw_attention_sheet(pictures, maps, arguments.steps, [*adapters] * len(arguments.people))
    sheet.save(arguments.picture, quality=90)
    return 0


def draw_watched(person: int, models: Path, adapter: Path) -> Portrait:
    """A person in a scene that the photo does not show, facial tokens from the first step, always from one noise."""
    shown, wanted = (draw_example(person, scene, PHOTO_PX) for scene in (0, NEW_SCENE))
    with TemporaryDirectory() as folder:
        photo = Path(folder, "photo.png")
        Image.fromarray(shown.image).save(photo)
        settings = PortraitSettings(
            face=str(photo),
            prompt=wanted.prompt,
            caption=shown.caption,
            base=ZOO.name,
            models_folder=str(models),
            adapter=str(adapter),
            steps=SAMPLING_STEPS,
            merge_at=0.0,
            seed=person,
            device="cpu",
        )
        return draw_portrait(settings, attention=True)


if __name__ == "__main__":
    sys.exit(main())
