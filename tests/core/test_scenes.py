"""Many prompts in one text."""

import doctest

import pytest

from consistentid.errors import ConsistentIDError
from consistentid.prompt import scenes


def test_the_example_in_the_docstring():
    results = doctest.testmod(scenes)
    assert results.attempted and not results.failed


def test_no_scene_is_said():
    with pytest.raises(ConsistentIDError, match="one on each line"):
        scenes.list_scenes(" \n\n", "film")
