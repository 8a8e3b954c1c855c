"""Every command line: examples that parse, options in groups, and what a mistyped word was meant to be."""

import argparse
import importlib
import re
import shlex
from dataclasses import fields

import pytest

from consistentid.attributes import ATTRIBUTES, parse_change
from consistentid.command_line import CommandParser
from consistentid.errors import ConsistentIDError
from consistentid.face.region_words import read_region_words
from consistentid.headless.command import GROUPS
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.plural import count

PROGRAMS = {
    "python -m consistentid": "consistentid.__main__",
    "python quickstart": "quickstart.command",
    "python -m zoo.drawn_faces": "zoo.drawn_faces.__main__",
}


def build_parser(program: str, monkeypatch) -> argparse.ArgumentParser:
    """The whole parser of a program, caught before it parses."""

    class Caught(Exception):
        pass

    def catch(self, *_):
        raise Caught(self)

    monkeypatch.setattr("sys.argv", [program])
    with monkeypatch.context() as patch:
        patch.setattr(CommandParser, "parse_args", catch)
        with pytest.raises(Caught) as caught:
            importlib.import_module(PROGRAMS[program]).main()
    return caught.value.args[0]


def list_parsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from list_parsers(child)


def list_examples(parser) -> list[str]:
    """One command each, as typed."""
    text = "\n".join(one.epilog or "" for one in list_parsers(parser)).replace("\\\n", "")
    return list(dict.fromkeys(re.findall(r"^ *(python .+?)(?: {2,}#.*)?$", text, re.MULTILINE)))


@pytest.mark.parametrize("program", PROGRAMS)
def test_examples_of_the_help_parse(program, monkeypatch):
    parser = build_parser(program, monkeypatch)
    examples = list_examples(parser)
    assert len(examples) > 1 and all(example.startswith(program) for example in examples)
    for example in examples:
        words = shlex.split(example)[len(program.split()) :]
        if words[-1] not in ("--help", "models"):  # the latter gives the rest to pytest
            parser.parse_args(words)


def test_every_command_has_an_example(monkeypatch):
    parser = build_parser("python -m consistentid", monkeypatch)
    assert [one.prog for one in list_parsers(parser) if not one.epilog] == []


@pytest.mark.parametrize(
    ("program", "words", "meant"),
    [
        ("python -m consistentid", "potrait", "portrait"),
        ("python -m consistentid", "models gte sd15", "get"),
        ("python -m consistentid", "portrait --promt x", "--prompt"),
        ("python -m consistentid", "portrait --scheduler eulr", "euler"),
        ("python -m consistentid", "dataset prepare a b --fixed_captions", "--fixed-captions"),
        ("python -m consistentid", "dataset prepare a b --regions noze", "nose"),
        ("python -m consistentid", "evaluate cmpare", "compare"),
        ("python quickstart", "portrait --foto me.jpg", "--photo"),
        ("python -m zoo.drawn_faces", "datset x", "dataset"),
    ],
)
def test_what_was_mistyped_is_told_with_what_was_meant(program, words, meant, monkeypatch, capsys):
    parser = build_parser(program, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words.split())
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f" Is it {meant}?\n")


def test_what_is_like_nothing_gets_no_suggestion(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        build_parser("python -m consistentid", monkeypatch).parse_args(["xyzzy"])
    assert "Is it" not in capsys.readouterr().err


def test_names_inside_options_are_suggested_too():
    with pytest.raises(ConsistentIDError, match=r"Is it expression\?"):
        parse_change("expresion=smiling")
    with pytest.raises(ConsistentIDError, match=r"Is it eyebrows\?"):
        read_region_words("ears, eyebrow")
    assert parse_change("hair=red hair")[0] in ATTRIBUTES


def test_groups_of_portrait_begin_with_options_that_are_there():
    names = [item.name for item in fields(PortraitSettings)]
    assert [name for name in names if name in GROUPS] == list(GROUPS) and names[0] in GROUPS


def test_counted_things_have_their_plural():
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert count(1, "person", "people") == "1 person" and count(1200, "person", "people") == "1,200 people"
