"""What comes from outside is checked strictly, and what is wrong is said with its place."""

import json
from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, ValidationError

from consistentid.checked import STRICT, TABLE, TableError, check, check_table, describe, describe_choice, parse_json


class Part(BaseModel):
    model_config = STRICT

    size: int
    weight: float = 1.0
    names: list[str] = []


class Whole(BaseModel):
    model_config = STRICT

    title: str
    parts: dict[str, Part]


@dataclass(frozen=True)
class Table:
    __pydantic_config__ = TABLE

    steps: int = field(metadata=describe_choice(0, gt=0))
    part: float = field(default=0.5, metadata=describe_choice(0.5, ge=0, le=1))
    rates: str = field(default="constant", metadata=describe_choice("", choices=("constant", "most often")))
    names: tuple[str, ...] = field(default=(), metadata=describe_choice(()))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "it lacks title, parts"),
        ([], "it is not an object"),
        ({"title": 3, "parts": []}, "title is 3, not a str; parts is not an object"),
        ({"title": "", "parts": {"a": {}}}, "parts.a lacks size"),
        ({"title": "", "parts": {"a": {"size": True}}}, "parts.a.size is True, not a int"),
        ({"title": "", "parts": {"a": {"size": 1.0}}}, "parts.a.size is 1.0, not a int"),
        ({"title": "", "parts": {"a": {"size": "1"}}}, "parts.a.size is '1', not a int"),
        (
            {"title": "", "parts": {"a": {"size": 1, "weight": float("nan")}}},
            "parts.a.weight is nan, not a finite number",
        ),
        ({"title": "", "parts": {"a": {"size": 1, "weight": 10**400}}}, f"parts.a.weight is 1{'0' * 79}, not a float"),
        ({"title": "", "parts": {"a": {"size": 1, "names": [1]}}}, "parts.a.names[0] is 1, not a str"),
        ({"title": "", "parts": {"a": {"size": 1, "sise": 1}}}, "parts.a has unknown sise"),
    ],
)
def test_the_place_the_value_and_what_is_wanted(value, message):
    with pytest.raises(ValidationError) as caught:
        check(Whole, value)
    assert describe(caught.value) == message


def test_a_whole_number_is_a_number():
    assert check(Part, {"size": 1, "weight": 2}).weight == 2.0


def test_half_an_emoji_is_text():
    """Files of earlier versions have it in captions, and in names that are no UTF-8."""
    assert check(Part, {"size": 1, "names": ["\ud83d"]}).names == [parse_json(json.dumps("\ud83d"))] == ["\ud83d"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "it lacks steps"),
        ({"step": 3}, "it has unknown step"),
        ({"steps": "3"}, "steps is '3', not a int"),
        ({"steps": 0}, "steps is 0, not a number above 0"),
        ({"steps": 1, "part": 2}, "part is 2, not a number from 0 to 1"),
        ({"steps": 1, "part": True}, "part is True, not a float"),
        ({"steps": 1, "rates": "most\noften"}, r"rates is 'most\noften', not constant or most often"),
        ({"steps": 1, "rates": "constant\n"}, r"rates is 'constant\n', not constant or most often"),
        ({"steps": 1, "rates": 3}, "rates is 3, not constant or most often"),
        ({"steps": 1, "names": "ab"}, "names is 'ab', not a list of texts"),
        ({"steps": 1, "names": ["a", 1]}, "names is ['a', 1], not a list of texts"),
        ([], "it is not an object"),
    ],
)
def test_a_table_of_choices(values, message):
    with pytest.raises(TableError) as caught:
        check_table(Table, values)
    assert str(caught.value) == message


def test_a_table_that_is_right():
    assert check_table(Table, {"steps": 1, "names": ["a"]}) == Table(1, names=("a",))
    assert check_table(Table, {"steps": 1, "rates": "most often", "names": ("a",)}).rates == "most often"


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, b"\xff", "9" * 5000])
def test_what_is_no_json_is_one_kind_of_error(text):
    with pytest.raises(ValueError):
        parse_json(text)
