"""The captioner's nodes under ComfyUI's memory management, with a tiny random LLaVA on the CPU."""

import gc
import importlib.util
import json
import shutil
import sys
import types
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host

FIXED = "The person has one face, one nose, two eyes, two ears, and one mouth."
INPAINTING = "The person has one nose, two eyes, two ears, and a mouth."
NEUTRAL = "a face, two ears, two eyes, a nose, a mouth"


def open_builders(name: str):
    """A file of the core tests that writes tiny random models."""
    path = Path(__file__).resolve().parents[1] / "core" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_of_core_tests", path)
    builders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builders)
    return builders


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory):
    builders = open_builders("conftest")
    folder = tmp_path_factory.mktemp("LLM") / "tiny-llava"
    builders.make_model().save_pretrained(folder)
    builders.make_processor(None).save_pretrained(folder)
    return folder


@pytest.fixture
def models(host, llava_folder, tmp_path, monkeypatch):
    """models/LLM with the tiny LLaVA in it, and an empty Hugging Face cache, which is returned."""
    import folder_paths
    from huggingface_hub import constants

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "LLM", ([str(llava_folder.parent)], set()))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def image(astronaut):
    return torch.from_numpy(astronaut[None, ::8, ::8].copy()).float() / 255


@pytest.fixture
def load(host, models):
    def load(*options):
        return host.nodes.describe.LoadCaptioner.execute("tiny-llava", *options).result[0]

    return load


@pytest.fixture
def describe(host):
    return lambda *options: host.nodes.describe.DescribeFace.execute(*options).result


def loaded_names() -> list[str]:
    import comfy.model_management as management

    return [type(child).__name__ for patcher in management.loaded_models() for child in patcher.model.children()]


@pytest.fixture
def weights(host, monkeypatch):
    """Weak references to every model loaded during a test."""
    found = []
    real = host.nodes.describe.load_captioner

    def load_captioner(*options):
        captioner = real(*options)
        found.append(weakref.ref(captioner.model))
        return captioner

    monkeypatch.setattr(host.nodes.describe, "load_captioner", load_captioner)
    return found


def test_weights_live_only_during_a_description(load, describe, image, weights, monkeypatch):
    captioner = load()
    assert weights == [], "nothing is read by the loader"
    during = []
    monkeypatch.setattr("comfy.utils.ProgressBar.update", lambda *_: during.append(loaded_names()))
    first = describe("", captioner, image, "Q?", 16, "off")
    assert during and all("LlavaForConditionalGeneration" in names for names in during), "the host counts the model"
    assert "LlavaForConditionalGeneration" not in loaded_names()
    assert [model() for model in weights] == [None]
    assert describe("", captioner, image, "Q?", 16, "off") == first and first[0]
    assert [model() for model in weights] == [None, None]


def test_kept_weights_stay_under_the_host_and_die_with_the_loader(load, describe, image, weights):
    import comfy.model_management as management

    captioner = load("full", True)
    first = describe("", captioner, image, "Q?", 16)
    assert "LlavaForConditionalGeneration" in loaded_names()
    management.free_memory(1e30, torch.device("cpu"))
    assert "LlavaForConditionalGeneration" not in loaded_names(), "the host can take the memory back"
    assert describe("", captioner, image, "Q?", 16) == first
    assert len(weights) == 1, "read once"
    del captioner
    gc.collect()
    assert weights[0]() is None and "LlavaForConditionalGeneration" not in loaded_names()


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_text_encoders_in_8_bits(load, describe, image, monkeypatch, dtype):
    expected = describe("", load(), image, "Q?", 16)
    monkeypatch.setattr("comfy.model_management.text_encoder_dtype", lambda device=None: dtype)
    captioner = load("full", True)
    assert describe("", captioner, image, "Q?", 16) == expected
    assert captioner.captioner.model.dtype == torch.float16


def test_qwen_computes_in_its_own_precision_and_is_dropped(host, models, llava_folder, describe, image, weights):
    open_builders("tiny_qwen").write_qwen(llava_folder.parent / "tiny-qwen")
    captioner = host.nodes.describe.LoadCaptioner.execute("tiny-qwen", "full", True).result[0]
    first = describe("", captioner, image, "Q?", 16, "off")
    assert captioner.captioner.model.dtype == torch.bfloat16 and "Qwen2_5_VLForConditionalGeneration" in loaded_names()
    assert describe("", captioner, image, "Q?", 16, "off") == first and first[0]
    del captioner
    gc.collect()
    shutil.rmtree(llava_folder.parent / "tiny-qwen")
    assert weights[0]() is None and "Qwen2_5_VLForConditionalGeneration" not in loaded_names()


def test_interruption_leaves_nothing_behind(load, describe, image, weights, monkeypatch):
    import comfy.model_management as management

    captioner = load()
    before = image.clone()
    expected = describe("", captioner, image, "Q?", 16, "off")
    steps = []

    def interrupt_at_third(*_):
        steps.append(1)
        if len(steps) == 3:
            management.interrupt_current_processing()

    with monkeypatch.context() as patch:
        patch.setattr("comfy.utils.ProgressBar.update", interrupt_at_third)
        with pytest.raises(management.InterruptProcessingException):
            describe("", captioner, image, "Q?", 16, "off")
    assert len(steps) == 3
    gc.collect()
    assert all(model() is None for model in weights) and "LlavaForConditionalGeneration" not in loaded_names()
    assert describe("", captioner, image, "Q?", 16, "off") == expected and torch.equal(image, before)


def test_progress_counts_tokens(load, describe, image, monkeypatch):
    totals, steps = [], []

    class Bar:
        def __init__(self, total):
            totals.append(total)

        def update(self, value):
            steps.append(value)

    monkeypatch.setattr("comfy.utils.ProgressBar", Bar)
    describe("", load(), image, "Q?", 20)
    assert totals == [20] and 1 <= sum(steps) <= 20


class Answer:
    """A captioner with a known answer."""

    def __init__(self, text):
        self.text = text

    def describe(self, photo, question, max_new_tokens):
        assert photo.dtype == np.uint8
        return self.text


ANSWER = "Her eyes are green, her nose is small and her lips are full. The face is oval; the ears are not visible."


def test_the_answer_is_normalised_and_reported(describe, image):
    caption, report = describe("", Answer(ANSWER), image)
    assert caption == "face is oval, two ears, eyes are green, nose is small, lips are full"
    assert ANSWER in report and f"Normalised: {caption}" in report and "does not name: none" in report
    assert describe("", Answer(ANSWER), image, "", 16, "off")[0] == ANSWER
    caption, report = describe("", Answer("I see a dog."), image)
    assert caption == NEUTRAL
    assert "does not name: face, ears, eyes, nose, mouth (given neutral clauses)" in report
    caption, report = describe("", Answer("blue eyes"), image, "", 16, "off")
    assert caption == "blue eyes" and "face, ears, nose, mouth (their regions get no facial token)" in report


def test_typed_text_wins_and_is_changed_only_on_request(describe, image):
    text = "Blue eyes; a face, freckles."
    caption, report = describe(f" {text}\n", Answer(ANSWER), image)
    assert caption == text and "ears, nose, mouth (their regions" in report and "Normalised" not in report
    assert describe(text, None, None, "", 16, "off")[0] == text
    assert describe(text, None, None, "", 16, "answer and text")[0] == "a face, two ears, blue eyes, a nose, a mouth"


@pytest.mark.parametrize("normalise", ["answer", "answer and text", "off"])
def test_a_fixed_sentence_is_never_changed(describe, normalise):
    for text, missing in (("", "none"), (f" {FIXED}\n", "none"), (INPAINTING, "face")):
        caption, report = describe(text, None, None, "", 16, normalise)
        assert caption == (text.strip() or FIXED) and report.startswith("The fixed sentence")
        assert f"does not name: {missing}" in report


def test_a_typed_text_needs_no_weights(load, describe, image, weights):
    assert describe("a kind face", load(), image)[0] == "a kind face"
    assert weights == []


def add_to_cache(cache, llava_folder):
    snapshot = cache / "models--someone--tiny" / "snapshots" / "v1"
    shutil.copytree(llava_folder, snapshot)


def test_cached_models_are_offered_after_the_folders(host, models, llava_folder, describe, image):
    node = host.nodes.describe.LoadCaptioner
    offered = lambda: next(i for i in node.define_schema().inputs if i.id == "model_folder").options  # noqa: E731
    assert offered() == ["tiny-llava"]
    assert "someone/tiny" in node.validate_inputs("someone/tiny"), "missing"
    add_to_cache(models, llava_folder)
    assert offered() == ["tiny-llava", "someone/tiny"]
    assert node.validate_inputs("someone/tiny") is True and node.validate_inputs("tiny-llava") is True
    assert describe("", node.execute("someone/tiny").result[0], image, "Q?", 16, "off")[0]


@pytest.mark.parametrize("precision", ["8-bit", "4-bit"])
def test_quantised_without_a_cuda_device(host, load, precision):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="needs a CUDA device"):
        load(precision)
    node = host.nodes.describe.LoadCaptioner
    assert "cannot be kept" in node.validate_inputs("tiny-llava", precision, True)
    assert node.validate_inputs("tiny-llava", precision, False) is True


def test_room_is_made_for_quantised_weights_before_they_are_read(host, load, image, describe, weights, monkeypatch):
    """Which calls are made; the weights themselves are plain ones, since nothing can be quantised here."""
    import comfy.model_management as management

    module = host.nodes.describe
    device, calls, plain = torch.device("cuda", 0), [], module.load_captioner

    def load_captioner(folder, dtype, *options):
        calls.append(("load", *options))
        return plain(folder, torch.float32)

    for name in ("bitsandbytes", "accelerate"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(management, "get_torch_device", lambda: device)
    monkeypatch.setattr(management, "free_memory", lambda size, on: calls.append(("room", size, on)))
    monkeypatch.setattr(module, "load_captioner", load_captioner)
    captioner = load("4-bit")
    assert calls == []
    for _ in range(2):
        assert describe("", captioner, image, "Q?", 16, "off")[0]
        (_, size, where), loading = calls
        assert where == device and loading == ("load", "4-bit", device)
        assert size > management.minimum_inference_memory()
        assert "LlavaForConditionalGeneration" not in loaded_names()
        calls.clear()
    assert [model() for model in weights] == [None, None]


def test_a_damaged_folder_is_named(host, llava_folder, tmp_path, image, describe, monkeypatch):
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "LLM", ([str(tmp_path)], set()))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    captioner = host.nodes.describe.LoadCaptioner.execute("damaged").result[0]
    with pytest.raises(host.consistentid.errors.CheckpointError, match="damaged"):
        describe("", captioner, image)
