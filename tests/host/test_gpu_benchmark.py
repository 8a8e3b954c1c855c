"""What `python -m benchmarks.gpu` measures on a graphics card, in small on the CPU: the same code."""

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.once]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def measure(host, tmp_path_factory):
    """The figures of a part."""
    import sys

    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import gpu_parts

        def run(part):
            patch.setattr(gpu_parts, "load_pack", lambda comfyui, cpu: host)
            gpu_parts.main([part, str(folder / "figures.json"), "--device", "cpu", "--small", "--rounds", "1"])
            return json.loads((folder / "figures.json").read_text())

        yield run
    for name in ("gpu_parts", "figures", "portraits", "baselines", "timing", "pack", "file_import"):
        sys.modules.pop(name, None)


def test_precision(measure):
    found = measure("precision_sd15")
    assert 0 < found["float16"]["adapter"] < found["bfloat16"]["adapter"] < 0.3
    assert found["float32"] == {"plain": 0.0, "adapter": 0.0}


def test_steps(measure):
    found = measure("step_sd15")
    assert found["step"]["adapter"]["to_plain"] > 0 and found["memory"]["owned"] == found["memory"]["needed"]
    assert {"another_weight", "another_lora_weight", "load"} <= found["switching"].keys()


def test_pictures(measure):
    found = measure("picture_sd15")
    assert found["steps"] == 2 and found["size_px"] == [64, 64]
    assert set(found["person"]["stages"]) - set(found["plain"]["stages"]) == {"apply"}


def test_memory_of_kinds_of_workflows_and_of_cards(measure, monkeypatch):
    import gpu_parts
    import portraits

    assert len(portraits.KINDS) == 5 and gpu_parts.CARDS_GB == (12, 8, 6)
    monkeypatch.setattr(portraits, "KINDS", ("inpaint",))  # a second for each
    monkeypatch.setattr(gpu_parts, "CARDS_GB", (8,))
    found = measure("memory_sd15")
    assert set(found) == {"inpaint", "read a photo", "8 GB"}
    assert set(found["inpaint"]["stages"]["seconds"]) == {"text", "apply", "encode", "sample", "decode"}
