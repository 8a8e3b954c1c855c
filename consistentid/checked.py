"""Values that come from outside: pydantic checks them, and this says in the pack's words what is wrong, and where."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .errors import ConsistentIDError

T = TypeVar("T")
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""No other keys, nothing converted but int to float, no NaN and no infinity."""
TABLE = ConfigDict(extra="forbid", allow_inf_nan=False)
"""For a dataclass of choices whose fields have `describe_choice` as metadata: as strict, but a tuple may be a list."""

SHOWN = 3
LONGEST = 80
_TYPES = {
    **{"int_type": "int", "float_type": "float", "string_type": "str", "bool_type": "bool"},
    **{"tuple_type": "list", "list_type": "list", "dict_type": "object", "model_type": "object"},
    **{"dataclass_type": "object", "dataclass_exact_type": "object"},
}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument", "invalid_key")
_LIMITS = {
    "greater_than": "a number above {gt:,g}",
    "greater_than_equal": "a number of at least {ge:,g}",
    "less_than_equal": "a number of at most {le:,g}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "string_too_short": "some text",
    "too_short": "a longer list",
    "literal_error": "{expected}",
    "string_unicode": "text that UTF-8 can write",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value. place: "models[0].size", "" for the whole; found: the value, as text; wanted: what
    it has to be. For a key that is missing or unknown, place is that of its object, and wanted or found the key."""

    kind: Literal["wrong", "missing", "unknown"]
    place: str
    found: str
    wanted: str

    def __str__(self) -> str:
        place = self.place or "it"
        if self.kind == "missing":
            return f"{place} lacks {self.wanted}"
        if self.kind == "unknown":
            return f"{place} has unknown {self.found}"
        if self.wanted == "JSON":
            return f"{place} is no JSON: {self.found}"
        if self.wanted in ("list", "object"):  # what is there instead may be long
            return f"{place} is not a{'n' * (self.wanted == 'object')} {self.wanted}"
        return f"{place} is {self.found}, not {'a ' * (self.wanted in _TYPES.values())}{self.wanted}"


def describe_choice(default: Any, choices: Iterable[str] = (), **limits) -> dict[str, Any]:
    """Metadata of a field of a TABLE. limits: gt, ge, le, multiple_of and min_length, as pydantic's Field has them."""
    # not re.escape, which escapes spaces: to an older pydantic that is an error
    words = [re.sub(r"([^\w ])", r"\\\1", choice) for choice in choices]
    is_list = isinstance(default, tuple)  # whose type says what may be in it
    known = {"choices": tuple(choices)} if words else {}
    known |= {"pattern": f"^({'|'.join(words)})$"} if words and not is_list else {}
    return ({} if is_list else {"strict": True}) | known | limits


class TableError(Exception):
    """Values that a TABLE does not allow."""

    def __init__(self, problem: Problem):
        super().__init__(problem)
        self.problem = problem


def check_table(table: type[T], values: Any) -> T:
    """The TABLE with these values; TableError for others than its fields and their metadata allow."""
    try:
        return check(table, values)
    except ValidationError as error:
        raise TableError(_choose_problem(table, values, list_problems(error))) from error


def check(kind: type[T], value: Any) -> T:
    """The value as one of this kind; ValidationError where it is none."""
    return _adapt(kind).validate_python(value)


@cache
def _adapt(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def parse_json(text: str | bytes) -> Any:
    """ValueError for what is no JSON, or too deeply nested."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is too deeply nested") from error


def describe(error: ValidationError) -> str:
    """The first few things that are wrong, as in "models[0] lacks licence; models[0].size is '12', not a int"."""
    return "; ".join(map(str, list_problems(error)[:SHOWN]))


def list_problems(error: ValidationError) -> list[Problem]:
    """All that is wrong, missing keys of one object together. An error of ours that a check raised is raised again."""
    problems: dict[tuple, Problem] = {}
    for item in error.errors(include_url=False):
        kind, place, context = item["type"], item["loc"], item.get("ctx", {})
        parents, last = place[:-1], str(place[-1]) if place else ""
        if isinstance(context.get("error"), ConsistentIDError):
            raise context["error"]
        if kind == "missing":
            before = problems.get(("missing", parents))
            keys = f"{before.wanted}, {last}" if before else last
            problems["missing", parents] = Problem("missing", _join(parents), "", keys)
        elif kind in _UNKNOWN:
            problems["unknown", place] = Problem("unknown", _join(parents), last, "")
        elif kind == "json_invalid":
            problems["wrong", place] = Problem("wrong", "", context["error"], "JSON")
        else:
            wanted = _LIMITS[kind].format(**context) if kind in _LIMITS else _TYPES.get(kind, item["msg"])
            problems["wrong", place] = Problem("wrong", _join(place), _show(item["input"]), wanted)
    return list(problems.values())


def _choose_problem(table: type, values: Any, problems: list[Problem]) -> Problem:
    """A key that the table does not know, which explains one that is missing, else the first; and what is wanted as
    the field says it."""
    problem = min(problems, key=lambda problem: problem.kind != "unknown")
    name, is_inside, _ = problem.place.partition("[")
    allowed = {item.name: item.metadata for item in fields(table)}.get(name, {})
    if is_inside or (name and problem.wanted in ("list", _LIMITS["too_short"])):
        return Problem("wrong", name, _show(values[name]), f"a list of {', '.join(allowed.get('choices', ['texts']))}")
    if "choices" in allowed:
        return replace(problem, wanted=" or ".join(allowed["choices"]))
    if problem.wanted.startswith("a number of") and {"ge", "le"} <= allowed.keys():
        return replace(problem, wanted=f"a number from {allowed['ge']:,g} to {allowed['le']:,g}")
    return problem


def _show(value: Any) -> str:
    return "empty" if value == "" else f"{value!r:.{LONGEST}}"


def _join(place: Iterable[str | int]) -> str:
    """("models", 0, "size") -> models[0].size; pydantic marks the key of a dict with a step of its own."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place if step != "[key]")
    return "".join(steps).removeprefix(".")
