"""Many prompts in one text."""

from ..errors import ConsistentIDError


def list_scenes(text: str, style: str = "") -> list[str]:
    """The lines of a text that say something, each with the style behind it.

    >>> list_scenes("a woman in a forest\\n\\na woman at sea,", "film, bokeh")
    ['a woman in a forest, film, bokeh', 'a woman at sea, film, bokeh']

    ConsistentIDError if there is none.
    """
    lines = [line.strip().rstrip(",") for line in text.splitlines()]
    scenes = [", ".join(filter(None, (line, style.strip()))) for line in lines if line]
    if not scenes:
        raise ConsistentIDError("There is no scene: write a prompt into 'scenes', one on each line.")
    return scenes
