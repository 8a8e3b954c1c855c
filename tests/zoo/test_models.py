"""The small models that come with the pack."""

import re

from consistentid.model_files.small_models import ZOO_FILES, find_zoo

PLACES = re.compile(rb"/(home|tmp|root|work|usr|opt|Users)/|[A-Z]:\\\\[A-Za-z]|site-packages")


def test_they_are_small(zoo_models):
    files = [path for path in zoo_models.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25e6
    assert {path.relative_to(zoo_models).parts[0] for path in files} == set(ZOO_FILES.values())
    assert find_zoo().keys() == ZOO_FILES.keys()


def test_nothing_in_them_is_run_or_tells_where_they_were_made(zoo_models):
    files = [path for path in zoo_models.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".onnx", ".json", ".txt"}
    for path in files:
        assert not PLACES.search(path.read_bytes()), path
