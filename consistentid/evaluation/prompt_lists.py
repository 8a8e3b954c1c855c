"""Lists of prompts and of styles that others published, read from their files, and plans made of them."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..checked import describe, parse_json
from ..table import read_table
from .plan import PlanError

PUBLISHED = {"prompts": "evaluation/EvaluationIMGs_stars_prompts.csv", "styles": "evaluation/style_template.py"}
"""Files of JackAILab/ConsistentID (commit e234008): 45 prompts for each of 15 people, and templates of styles."""
TRIGGER = "img"
"""Another method's word in some of those prompts, which is left out."""
PERSON = "{person}"
_NAMED = re.compile(r"\ban? (?:man|woman|person)\b", re.IGNORECASE)


class Style(BaseModel):
    """prompt: with {prompt} in it. What the file says to avoid is not read: it is one of the settings of a run."""

    name: str
    prompt: str


def read_prompts(path: str | Path) -> list[str]:
    """Different prompts in their order, with {person} for "a man" and "a woman".

    path: a table with a column prompt, a text file with one prompt in a line, or a clone of the authors' repository.
    """
    path, text = _read("prompts", path)
    texts = _read_column(text, path) if path.suffix.lower() == ".csv" else text.splitlines()
    bare = (" ".join(word for word in line.split() if word != TRIGGER) for line in texts)
    prompts = list(dict.fromkeys(_NAMED.sub(PERSON, line) for line in bare if line))
    if not prompts:
        raise PlanError(f"{path} has no prompt.")
    return prompts


def read_styles(path: str | Path) -> list[Style]:
    """Templates of styles: a list of objects with name and prompt, in JSON or as a literal of a Python file, which is
    not run; or a clone of the authors' repository."""
    path, text = _read("styles", path)
    advice = 'Name a list of objects with "name" and "prompt", which has {prompt} in it.'
    try:
        values = _find_list(text) if path.suffix.lower() == ".py" else parse_json(text)
        styles = TypeAdapter(list[Style]).validate_python(values)
    except (ValueError, SyntaxError) as error:
        problem = describe(error) if isinstance(error, ValidationError) else error
        raise PlanError(f"{path} cannot be read as styles ({problem}). {advice}") from error
    plain = [style.name for style in styles if "{prompt}" not in style.prompt]
    if plain or not styles:
        raise PlanError(f"{path}: {', '.join(plain[:5]) or 'no style'} cannot be used. {advice}")
    return styles


def make_plan(
    people: dict[str, tuple[str, list[str]]], prompts: Sequence[str], styles: Sequence[Style], seeds: Sequence[int]
) -> dict:
    """What `read_plan` reads. people: {name: (what prompts call them, photos)}.

    Every prompt for everybody, with styles every prompt in each of them; without prompts the person alone.
    """
    cases = []
    for name, (word, _) in people.items():
        for prompt in prompts or [PERSON]:
            asked = prompt.replace(PERSON, f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}")
            texts = [" ".join(style.prompt.replace("{prompt}", asked).split()) for style in styles] or [asked]
            cases += [{"person": name, "prompt": text, "seed": seed} for text in texts for seed in seeds]
    return {"people": {name: photos for name, (_, photos) in people.items()}, "cases": cases}


def _read(kind: str, path: str | Path) -> tuple[Path, str]:
    path = Path(path)
    path = path / PUBLISHED[kind] if path.is_dir() else path
    try:
        return path, path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(
            f"{path} cannot be read ({error}). Name a file of {kind} in UTF-8, or a clone of "
            f"github.com/JackAILab/ConsistentID, which has {PUBLISHED[kind]}."
        ) from error


def _read_column(text: str, path: Path) -> list[str]:
    columns, lines = read_table(text, path, PlanError)
    if "prompt" not in map(str.lower, columns):
        raise PlanError(f"{path} has the columns {columns}; it needs 'prompt'.")
    return [row["prompt"] for _, row in lines]


def _find_list(text: str):
    """The first list that a Python file gives a name to; ValueError without one that can be read."""
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
                return ast.literal_eval(node.value)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is too deeply nested") from error
    except TypeError as error:
        raise ValueError(f"its list is no literal: {error}") from error
    raise ValueError("it has no list")
