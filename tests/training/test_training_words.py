"""Face2Diffusion's training: what it reads, what changes, what it leaves, and going on after a stop."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_data import difference
from golden_data.face2diffusion import write_package
from tiny_training import WIDTH, write_config

import consistentid.training.loop as loop
from consistentid.dataset.records import DatasetError, read_records
from consistentid.errors import CheckpointError
from consistentid.face.face import Face
from consistentid.face2diffusion.encoder import load_face2diffusion
from consistentid.face2diffusion.expression import MEASURES
from consistentid.face2diffusion.msid import EncoderSizes, MSIDEncoder
from consistentid.face2diffusion.regularisation import compute_class_guided_loss
from consistentid.headless.clip_text import PERSON
from consistentid.prompt.encode import encode_plain
from consistentid.training import faces
from consistentid.training.assembly import assemble_run
from consistentid.training.checkpoints import list_checkpoints
from consistentid.training.config import ConfigError, MappingConfig, TrainingConfig, read_config
from consistentid.training.samples import make_face_mask
from consistentid.training.words import put_word
from consistentid.weights import read_metadata, read_weights, write_weights

from .test_training_config import GUIDE, show_default
from .test_training_run import read_steps

LANDMARKS = np.array([[50, 49], [78, 49], [64, 70], [54, 91], [74, 91]], np.float32)
SIZES = EncoderSizes(patch_px=28, width=32, depth=2, taps=(0, 1))
SHORT = "method: face2diffusion\ncheckpoint: a\ndataset: c\noutput: d\nsteps: 10\nface2diffusion: e\nface_package: f\n"


class KnownFaces:
    """Finds the face of tiny_training's pictures, or none. asked: how many pictures."""

    recogniser, has_threshold = "", True

    def __init__(self):
        self.asked, self.nobody = 0, False

    def find_faces(self, photo, threshold=0.5, channel_order=""):
        self.asked += 1
        return [] if self.nobody else [Face(np.array([32, 16, 96, 112.0]), LANDMARKS, 0.9, None)]


@pytest.fixture(autouse=True)
def known_faces(monkeypatch):
    found = KnownFaces()
    monkeypatch.setattr(faces, "load_face_analysis", lambda folder: found)
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("f2d")
    with torch.random.fork_rng(), torch.inference_mode(False):
        torch.manual_seed(0)
        encoder = MSIDEncoder(SIZES)
        write_weights(folder / "msid.safetensors", encoder.state_dict())
    return folder


@pytest.fixture
def make_words(make_config, package):
    def make(**changes):
        usual = {item.name: getattr(make_config(), item.name) for item in fields(TrainingConfig)}
        idle = {"method": "face2diffusion", "rank": 128, "clip_vision": "", "class_prompt": "a photo of a man"}
        own = {"face2diffusion": str(package), "face_package": str(package)}
        return MappingConfig(**{**usual, **idle, **own, **changes})

    return make


@pytest.fixture
def run(tiny, make_words):
    return assemble_run(make_words())


def compute_gradients(run, parts) -> dict[str, torch.Tensor]:
    for part in parts:
        (run.model(**run.frozen.encode(part).as_arguments())["loss"] / len(parts)).backward()
    gradients = {name: parameter.grad.clone() for name, parameter in run.trained.items()}
    run.model.zero_grad()
    return gradients


def test_every_weight_of_the_mapping_has_a_gradient_and_nothing_else(run):
    gradients = compute_gradients(run, [[run.samples[ordinal] for ordinal in range(16)]])
    assert all(gradient.any() for gradient in gradients.values())
    assert gradients.keys() == run.model.mapping.state_dict().keys()
    others = [*run.frozen.vae.parameters(), *run.model.unet.parameters(), *run.frozen.clip.encoders[0].parameters()]
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in others)


def test_the_way_of_batching_changes_nothing(run):
    """Dropout too belongs to the sample."""
    samples = [run.samples[ordinal] for ordinal in range(4)]
    whole, halves = compute_gradients(run, [samples]), compute_gradients(run, [samples[::2], samples[1::2]])
    for name, gradient in whole.items():
        assert difference(gradient, halves[name]) < 1e-3 * float(gradient.abs().max()), name
    arguments = run.frozen.encode(samples[:1]).as_arguments()
    told = run.model.map_faces(*(arguments[name] for name in ("features", "expressions", "strengths")), [1])
    assert difference(told, run.model.map_faces(*(arguments[n] for n in ("features", "expressions", "strengths")), [2]))


def test_the_loss_is_class_guided_by_the_face(run):
    """The noise on the face, without ears and hair; around it what the base model says of the class word."""
    sample = run.samples[0]
    inputs = run.frozen.encode([sample]).as_arguments()
    labels = run.samples.records[0].read_labels(128, 128)  # all have the same
    face = make_face_mask(labels)
    assert torch.equal(sample.face, face) and 0.2 < float(face.mean()) < 0.8 * float((labels > 0).mean())
    expected_mask = torch.nn.functional.interpolate(face[None], (16, 16), mode="bilinear", antialias=True)
    assert torch.equal(inputs["loss_mask"], expected_mask)
    found = run.model(**inputs)["loss"]
    with torch.no_grad():
        vectors = run.model.map_faces(*(inputs[n] for n in ("features", "expressions", "strengths", "seeds")))
        text, _ = run.frozen.clip.encode_ids([inputs["ids"]], vectors[0])
        class_text = encode_plain(run.frozen.clip, "a photo of a man")[0].rows.clone()
        predicted, guide = (run.model.unet(inputs["noisy"], inputs["timesteps"], t).sample for t in (text, class_text))
    expected = compute_class_guided_loss(predicted, inputs["target"], guide, expected_mask)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    assert difference(predicted, guide) > 1e-5


def test_the_word_takes_the_place_of_the_class_word(run):
    samples = [run.samples[ordinal] for ordinal in range(3)]
    inputs = run.frozen.encode(samples)
    for row, ids in enumerate(inputs.ids):
        people = [token for token in ids if token <= PERSON]
        assert people == [PERSON - 2 * row, PERSON - 2 * row - 1] and len(ids) == 77
    assert put_word("A Woman, smiling at a woman", ("a woman", "a person")) == "f l, smiling at a woman"
    assert put_word("an old woman", ("a woman", "an old woman")) == "f l"
    assert put_word("a mandolin", ("a man",)) == "f l, a mandolin" and put_word("", ("a man",)) == "f l"


def test_a_class_word_beyond_the_cut_is_put_in_front(run):
    """As captions may have it; the picture is learnt from all the same."""
    text = f"{'outside, ' * 80}a man"
    inputs = run.frozen.encode([replace(run.samples[0], text=text)])
    assert inputs.ids[0][1:3] == [PERSON, PERSON - 1] and len(inputs.ids[0]) == 77
    run.model(**inputs.as_arguments())["loss"].backward()
    assert all(parameter.grad is not None for parameter in run.trained.values())


def test_captions_may_be_the_text(tiny, make_words):
    run = assemble_run(make_words(class_prompt="{caption}, outside"))
    assert run.samples[0].text == "a photo of a man, outside"


def test_the_expression_is_neutral_as_often_as_asked(run):
    drawn = [run.frozen._draw_expression(ordinal) for ordinal in range(1000)]
    assert 0.16 < 1 - sum(is_known for is_known, _ in drawn) / 1000 < 0.24
    assert len({seed for _, seed in drawn}) == 1000
    arguments = run.frozen.encode([run.samples[0]]).as_arguments()
    features, code = arguments["features"], arguments["expressions"]
    assert code.shape == (1, len(MEASURES)) and code.any()
    neutral, told = (run.model.map_faces(features, code, torch.tensor([x]), [0]) for x in (0.0, 1.0))
    other = run.model.map_faces(features, code + 1, torch.tensor([0.0]), [0])
    assert torch.equal(neutral, other) and difference(neutral, told) > 0


def test_a_new_network_begins_near_the_class_word(run):
    """So that a first picture is one of a person."""
    arguments = run.frozen.encode([run.samples[0]]).as_arguments()
    vectors = run.model.map_faces(*(arguments[n] for n in ("features", "expressions", "strengths", "seeds")))[0]
    biases = torch.stack([run.model.mapping.i2t_first.fc_out.bias, run.model.mapping.i2t_last.fc_out.bias])
    assert vectors.shape == (2, WIDTH) and (vectors - biases).norm() < 0.5 * biases.norm()


def test_faces_are_learnt_by_heart(tiny, make_words):
    run = assemble_run(make_words(learning_rate=1e-2, null_probability=0.0))
    inputs = run.frozen.encode([run.samples[ordinal] for ordinal in range(3)]).as_arguments()
    losses = []
    for _ in range(16):
        losses.append(run.model(**inputs)["loss"])
        losses[-1].backward()
        run.optimizer.step()
        run.optimizer.zero_grad()
    assert losses[-1] < 0.9 * losses[0]


def test_a_run_that_was_stopped_ends_like_an_unbroken_one(tiny, make_words, tmp_path, stop_after, known_faces):
    """Bit for bit, and what it leaves is a folder of Face2Diffusion. Faces are read once."""
    whole, broken = (make_words(ema=0.9, batch=2, micro_batch=1, output=str(tmp_path / x)) for x in ("whole", "broken"))
    loop.train(whole)
    stop_after(3, broken)
    assert [path.name for path in list_checkpoints(broken)] == ["00000002"] and known_faces.asked == 6
    path = loop.train(broken)
    assert path == Path(broken.output) / "mapping.safetensors" and known_faces.asked == 6
    for name in ("mapping.safetensors", "mapping_ema.safetensors"):
        first, second = (read_weights(Path(config.output) / name) for config in (whole, broken))
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert (
        read_steps(whole.output) == read_steps(broken.output) and {"loss", "face"} < read_steps(whole.output)[0].keys()
    )
    assert read_metadata(path)["steps"] == "4"
    networks = load_face2diffusion(path.parent)
    assert networks.msid.sizes == SIZES and networks.mapping.sizes.expression == len(MEASURES)
    started = assemble_run(make_words(output=str(tmp_path / "more"), mapping=str(path.parent)))
    saved = read_weights(path)
    assert all(torch.equal(parameter.half(), saved[name]) for name, parameter in started.trained.items())


def test_sheets_leave_the_run_as_it_is(tiny, make_words, tmp_path):
    usual = {"steps": 2, "batch": 2}
    plain = loop.train(make_words(output=str(tmp_path / "plain"), **usual))
    shown = loop.train(make_words(output=str(tmp_path / "shown"), sheet_every=1, sheet_steps=2, **usual))
    assert [path.name for path in sorted((shown.parent / "sheets").iterdir())] == ["00000001.png", "00000002.png"]
    first, second = read_weights(plain), read_weights(shown)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_records_without_a_face_are_left_out_and_named(tiny, make_words, known_faces, monkeypatch, capsys, dataset):
    def find(photo, *more, find_faces=known_faces.find_faces):
        known_faces.nobody = known_faces.asked == 0
        return find_faces(photo)

    with monkeypatch.context() as patches:
        patches.setattr(known_faces, "find_faces", find)
        run = assemble_run(make_words())
    assert "1 of 3 records" in capsys.readouterr().out and len(run.samples.records) == 2
    assert [record.name for record in read_records(dataset)][1:] == [record.name for record in run.samples.records]


def test_a_set_without_a_face_is_refused(tiny, make_words, known_faces):
    known_faces.nobody = True
    with pytest.raises(DatasetError, match=r"finds no face in any record"):
        assemble_run(make_words())


def test_other_networks_are_refused(tiny, make_words, tmp_path):
    write_package(tmp_path / "released")
    with pytest.raises(ConfigError, match=r"expression=64.*3D face model.*Leave out mapping"):
        assemble_run(make_words(mapping=str(tmp_path / "released")))
    with pytest.raises(CheckpointError, match=r"holds no msid\.pt"):
        assemble_run(make_words(face2diffusion=str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rank: 4\n", "rank does nothing with method: face2diffusion"),
        ("clip_vision: x\ncache: y\n", "clip_vision and cache does nothing"),
        ("base: sdxl\n", "words of Face2Diffusion are for base models of SD1.x"),
        ("class_words: []\n", "class_words is empty"),
        ("null_probability: 2\n", "null_probability is 2.0"),
        ("class_word: x\n", "unknown key 'class_word'. Is it class_words"),
        ("method: f2d\n", "method is 'f2d'; consistentid or face2diffusion is needed"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    lines = [line for line in SHORT.splitlines(True) if not text.startswith(line.split(":")[0] + ":")]
    (tmp_path / "train.yaml").write_text("".join(lines) + text)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "train.yaml")


def test_its_keys_are_read_and_in_the_guide(tmp_path, make_words):
    config = make_words(class_words=("a dog",), null_probability=0.5)
    assert read_config(write_config(tmp_path / "train.yaml", config)) == config
    (tmp_path / "short.yaml").write_text(SHORT)
    assert read_config(tmp_path / "short.yaml").null_probability == 0.2
    with pytest.raises(ConfigError, match="must name face2diffusion, face_package"):
        (tmp_path / "none.yaml").write_text("".join(SHORT.splitlines(True)[:5]))
        read_config(tmp_path / "none.yaml")
    rows = GUIDE.read_text(encoding="utf-8").splitlines()
    usual = {item.name: item for item in fields(TrainingConfig)}
    own = [
        item for item in fields(MappingConfig) if item.metadata["help"] != usual.get(item.name, item).metadata["help"]
    ]
    own += [item for item in fields(MappingConfig) if item.name not in usual]
    for item in own:
        assert item.name == "clip_vision" or (
            f"| `{item.name}` | {show_default(item)} | {item.metadata['help']} |" in rows
        ), item.name


def test_going_on_with_other_texts_is_refused(tiny, make_words):
    loop.train(make_words(steps=1, batch=2, save_every=1))
    with pytest.raises(ConfigError, match="class_prompt was 'a photo of a man'"):
        loop.train(replace(make_words(steps=2, batch=2), class_prompt="a photo of a woman"))
