"""The configuration is strict, its defaults are the published ones, and the guide lists every key."""

import json
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path

import pytest
from tiny_training import write_config

from consistentid.training.assembly import start_accelerator
from consistentid.training.config import ConfigError, TrainingConfig, read_config
from consistentid.training.rates import find_rate
from consistentid.training.samples import MicroBatches, shuffle

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
SHORT = "checkpoint: a\nclip_vision: b\ndataset: c\noutput: d\nsteps: 10\n"


def read(tmp_path, text: str) -> TrainingConfig:
    (tmp_path / "train.yaml").write_text(text, encoding="utf-8")
    return read_config(tmp_path / "train.yaml")


def test_what_is_written_is_read(tmp_path, make_config):
    config = make_config(sheet_prompts=("one", "two"), precision="bf16", ema=0.5)
    assert read_config(write_config(tmp_path / "train.yaml", config)) == config


def test_the_published_training_is_the_default(tmp_path):
    config = read(tmp_path, SHORT)
    assert (config.learning_rate, config.weight_decay, config.rank, config.resolution) == (1e-4, 1e-2, 128, 512)
    assert (config.mask_probability, config.drop_probability, config.localisation_weight) == (0.5, 0.1, 0.01)


def test_yaml_as_people_write_it(tmp_path):
    config = read(tmp_path, SHORT + "learning_rate: 1e-5\nema: 1\nprecision: no\nsheet_prompts: [x]\n")
    assert (config.learning_rate, config.ema, config.precision, config.sheet_prompts) == (1e-5, 1.0, "no", ("x",))


def test_regions_are_named_in_any_order_and_once(tmp_path):
    assert read(tmp_path, SHORT).regions == ("face", "eyes", "ears", "nose", "mouth")
    config = read(tmp_path, SHORT + "regions: [hair, face, brows, eyebrows]\n")
    assert config.regions == ("face", "eyebrows", "hair") and config.extra_regions == ("eyebrows", "hair")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SHORT + "learningrate: 1\n", "unknown key 'learningrate'. Is it learning_rate"),
        (SHORT.replace("steps", "step"), "unknown key 'step'. Is it steps"),
        (SHORT + "ema: -1\n", "ema is -1.0; a number from 0 to 1 is needed"),
        (SHORT + "sheet_prompts: [x, 1]\n", r"sheet_prompts is \['x', 1\]; a list of texts is needed"),
        (SHORT + "regions: [face, beard]\n", "regions is ['face', 'beard']; a list of face, eyes, ears, nose, mouth"),
        (SHORT + "regions: []\n", "regions is []; a list of face, eyes"),
        (SHORT + "regions: hair\n", "regions is 'hair'; a list of face, eyes"),
        (SHORT + "regions: [hair]\nalignment: published\n", "alignment 'published' knows no hair; choose auto or"),
        (SHORT + "seed: " + "[\n" * 20_000, "cannot be read as YAML"),
        (SHORT + "batch: 2.5\n", "batch is 2.5; int is needed"),
        (SHORT + "batch: true\n", "batch is True; int"),
        (SHORT + "learning_rate: fast\n", "learning_rate is 'fast'; float"),
        (SHORT + "precision: fp8\n", "no or bf16 or fp16 is needed"),
        (SHORT + "sheet_prompts: x\n", "a list of texts is needed"),
        (SHORT + "resolution: 100\n", "multiple of 64"),
        (SHORT + "drop_probability: 2\n", "drop_probability is 2.0"),
        (SHORT + "steps: 0\n", "steps is 0"),
        (SHORT + "method: face2difusion\n", "face2diffusion is needed. Is it face2diffusion?"),
        ("steps: 10\n", "must name checkpoint, clip_vision, dataset, output"),
        ("- steps\n", "holds no configuration"),
        ("steps: [", "cannot be read as YAML"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(").replace("is [", r"is \[")):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_no_bad_yaml(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml is not there\. .*docs/training\.md"):
        read_config(tmp_path / "missing.yaml")


def test_the_guide_lists_every_key_with_its_default():
    rows = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for item in fields(TrainingConfig):
        choices = item.metadata.get("choices")
        meaning = item.metadata["help"] + (f": {', '.join(choices)}" if choices else "")
        assert f"| `{item.name}` | {show_default(item)} | {meaning} |" in rows


def show_default(item) -> str:
    value = "" if item.default is MISSING else item.default
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if item.default == "" else f"{value:g}" if isinstance(value, float) else str(value)


def test_a_run_of_an_earlier_version_goes_on(make_config):
    """A key that it did not know was at its default."""
    config = make_config()
    new = ("id_drop_probability", "regions", "extra_drop_probability")
    before = {name: value for name, value in asdict(config).items() if name not in new}
    config.check_continued(json.loads(json.dumps(before)))
    config.check_continued(json.loads(json.dumps(asdict(config))))
    with pytest.raises(ConfigError, match="regions was"):
        replace(config, regions=("face", "hair")).check_continued(before)
    with pytest.raises(ConfigError, match="id_drop_probability was"):
        replace(config, id_drop_probability=0.5).check_continued(before)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_step_sees_the_same_samples_in_any_number_of_processes(make_config, processes):
    config = make_config(batch=8, micro_batch=2, steps=5)
    accumulated = config.count_accumulated(processes)
    plans = [list(MicroBatches(config, 3, process, processes)) for process in range(processes)]
    for step in (3, 4):
        seen = [n for plan in plans for part in plan[(step - 3) * accumulated : (step - 2) * accumulated] for n in part]
        assert sorted(seen) == list(range(step * 8, step * 8 + 8))
    assert {len(plan) for plan in plans} == {2 * accumulated} == {len(MicroBatches(config, 3, 0, processes))}


def test_batches_that_cannot_be_shared_are_refused(make_config):
    with pytest.raises(ConfigError, match="batch 6 is not a multiple of micro_batch 2 x 2 processes"):
        make_config(batch=6, micro_batch=2).count_accumulated(2)


def test_every_epoch_has_every_record_once_in_another_order():
    orders = [shuffle(50, 3, epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1] != orders[2] and shuffle(50, 3, 0) == orders[0] != shuffle(50, 4, 0)


def test_rates(make_config):
    config = make_config(steps=10, warmup=4, learning_rate=1.0)
    assert [find_rate(config, step) for step in (0, 1, 3, 4, 9)] == [0.25, 0.5, 1, 1, 1]
    cosine = replace(config, rates="cosine")
    assert [find_rate(cosine, step) for step in (3, 4, 7)] == pytest.approx([1, 1, 0.5]) and find_rate(cosine, 9) < 0.1


def test_processes_that_do_not_know_of_each_other_are_refused(make_config, monkeypatch):
    """Each would train alone, on the same output."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="2 processes were started, but accelerate joins 1"):
        start_accelerator(make_config())
