"""The small models that come with the pack."""

from consistentid.hosts.model_files import ZOO_FILES, find_zoo


def test_they_are_small(zoo_models):
    files = [path for path in zoo_models.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25e6
    assert {path.relative_to(zoo_models).parts[0] for path in files} == set(ZOO_FILES.values())
    assert find_zoo().keys() == ZOO_FILES.keys()


def test_nothing_in_them_is_run_or_tells_where_they_were_made(zoo_models):
    files = [path for path in zoo_models.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".onnx", ".json", ".txt"}
    for path in files:
        if path.suffix == ".json":
            assert '"/' not in path.read_text(encoding="utf-8").replace('"/"', "").replace('"/</w>"', ""), path
