"""One step of a tiny model: what goes in, which parameters change, and that training reads what inference reads."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_data import difference
from tiny_training import tiny_networks

from consistentid.adapter.sites import list_sites
from consistentid.headless.conditioning import encode_prompt
from consistentid.identity import Identity
from consistentid.prompt.compose import compose_for_identity
from consistentid.training.assembly import assemble_run
from consistentid.training.losses import measure_localisation_loss, measure_noise_loss
from consistentid.training.samples import TrainingSamples, load_batches

FUSED = ("text", "region_features", "places", "strengths", "counts")


@pytest.fixture(scope="module")
def run(make_usual_config, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("run"))
    with torch.inference_mode(False), torch.enable_grad(), tiny_networks():
        yield assemble_run(make_usual_config(output=output, drop_probability=0.0))


@pytest.fixture(scope="module")
def samples(run):
    return [run.samples[ordinal] for ordinal in range(4)]


def compute_gradients(run, parts) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Gradients of the trained parameters, and the losses, of samples given in micro-batches."""
    losses = []
    for part in parts:
        loss = run.model(**run.frozen.encode(part).as_arguments())["loss"]
        (loss / len(parts)).backward()
        losses.append(loss.item())
    gradients = {name: parameter.grad.clone() for name, parameter in run.trained.items()}
    for parameter in run.trained.values():
        parameter.grad = None
    return gradients, losses


def compare(first: dict, second: dict) -> float:
    """Largest difference of two sets of gradients, in parts of their largest values."""
    return max(difference(first[name], second[name]) / float(first[name].abs().max() + 1e-12) for name in first)


def test_every_trained_parameter_has_a_gradient_and_no_other(run, samples):
    """But for low-rank `down`, whose `up` begins as zero; training starts with a clean UNet."""
    gradients, _ = compute_gradients(run, [samples[:2]])
    still = {name for name, gradient in gradients.items() if not gradient.any()}
    assert still == {name for name in gradients if name.endswith("_lora.down.weight")}
    frozen = [*run.frozen.vae.parameters(), *run.frozen.clip_vision.parameters()]
    frozen += [p for encoder in run.frozen.clip.encoders for p in encoder.parameters()]
    trained = {id(parameter) for parameter in run.trained.values()}
    frozen += [parameter for parameter in run.model.parameters() if id(parameter) not in trained]
    assert len(frozen) > 300 and not any(p.requires_grad or p.grad is not None for p in frozen)
    assert all(parameter.requires_grad for parameter in run.trained.values())


def test_the_way_of_batching_changes_nothing(run, samples):
    """Four samples at once, or two and two as accumulation and several devices take them."""
    whole, losses = compute_gradients(run, [samples])
    halves, parts = compute_gradients(run, [samples[::2], samples[1::2]])
    assert compare(whole, halves) < 1e-3
    assert losses[0] == pytest.approx(sum(parts) / 2, rel=1e-4)


def test_gradient_checkpointing_changes_nothing(run, samples):
    plain, _ = compute_gradients(run, [samples[:2]])
    run.model.unet.enable_gradient_checkpointing()
    try:
        repeated, _ = compute_gradients(run, [samples[:2]])
    finally:
        run.model.unet.disable_gradient_checkpointing()
    assert compare(plain, repeated) < 1e-5


def test_localisation_trains_through_cross_attention(run, samples):
    """Its gradient reaches FacialEncoder, query and key of a watched block, and nothing behind the last of them."""
    inputs = run.frozen.encode(samples[:2])
    losses = run.model(**inputs.as_arguments())
    total = losses["noise"] + 0.01 * losses["localisation"]
    assert difference(losses["loss"].detach(), total) < 1e-6 and 0 < float(losses["mass"]) < 1
    run.model.maps.watch(inputs.positions)
    text = run.model.fuse_tokens(*(getattr(inputs, name) for name in FUSED))
    run.model.predict(inputs.as_arguments(), text, None, torch.zeros(2, 4, 64))
    measure_localisation_loss(run.model.maps.take(), inputs.region_masks, inputs.valid).backward()
    reached = {name for name, p in run.trained.items() if p.grad is not None and p.grad.any()}
    run.optimizer.zero_grad()
    watched, behind = list_sites(run.base)[11:13]
    assert (watched.diffusers[:26], behind.diffusers[:26]) == (
        "up_blocks.2.attentions.2.t",
        "up_blocks.3.attentions.0.t",
    )
    # Nothing that is watched comes after it, so only its own map can reach its query and key.
    direct = {name.split(".")[2] for name in reached if name.startswith(f"adapter_modules.{watched.cross_entry}.")}
    assert direct == {"to_q_lora", "to_k_lora"}
    assert {"FacialEncoder.fuse_module.mlp1.fc1.weight", "FacialEncoder.visual_projection.latents"} <= reached
    assert not any(name.startswith(f"adapter_modules.{behind.cross_entry}.") for name in reached)


def test_without_localisation_nothing_is_watched(run, samples, monkeypatch):
    inputs = run.frozen.encode(samples[:2]).as_arguments()
    losses = run.model(**inputs)
    monkeypatch.setattr(run.model, "localisation_weight", 0.0)
    without = run.model(**inputs)
    assert without.keys() == {"loss", "noise"} and torch.equal(without["noise"], losses["noise"])
    assert run.model.maps.take() == {}


def test_maps_sum_to_one_over_the_text_and_only_the_middle_is_watched(run, samples):
    inputs = run.frozen.encode(samples[:2])
    everything = torch.arange(77).expand(2, -1)
    run.model.maps.watch(everything)
    with torch.no_grad():
        run.model.predict(inputs.as_arguments(), inputs.text, None, torch.zeros(2, 4, 64))
    maps = run.model.maps.take()
    assert len(maps) == 11 and all(layer.split(".")[-1] == "0" for layer in maps)
    assert {layer.split(".att")[0] for layer in maps} == {
        "down_blocks.1",
        "down_blocks.2",
        "mid_block",
        "up_blocks.1",
        "up_blocks.2",
    }
    assert all(difference(values.sum(-1), torch.ones(values.shape[:3])) < 1e-5 for values in maps.values())
    run.model.maps.rest()


def test_training_reads_what_inference_reads(run, samples):
    """Text, facial tokens and ID tokens of a picture are those of the same person and prompt in the pipeline."""
    sample, adapter = samples[0], run.model.adapter
    inputs = run.frozen.encode([sample])
    features = run.frozen.encode_pixels([sample.pixels.photo, *sample.pixels.regions.values()])
    identity = Identity(
        features[0],
        run.frozen.zero_features,
        dict(zip(sample.pixels.regions, features[1:], strict=True)),
        sample.id_embedding,
        sample.facial_caption,
    )
    clip = run.frozen.clip
    composed = compose_for_identity(sample.caption, "", identity, adapter.config, clip)
    conditioning = encode_prompt(clip, adapter, identity, composed)
    text = run.model.fuse_tokens(*(getattr(inputs, name) for name in FUSED)).detach()
    assert inputs.counts == [5] and inputs.strengths.tolist() == [1.0] * 5
    assert difference(text, conditioning.facial.positive.clone()) < 1e-5
    assert difference(text, inputs.text) > 0.1
    id_tokens = adapter.id_projection(inputs.id_embeddings, inputs.photo_features).detach()
    assert difference(id_tokens, conditioning.id_tokens.person[None].clone()) < 1e-5


def test_masks_belong_to_the_words(run, samples):
    """Each facial token has the mask of the region that its word names."""
    sample = samples[0]
    inputs, marked = run.frozen.encode([sample]), run.frozen.mark(sample)
    assert marked.regions == ["Face", "Left_Ear", "Left_Eye", "Nose", "Upper_Lip"]
    assert marked.positions == inputs.positions[0].tolist() == sorted(marked.positions)
    for place, key in enumerate(marked.regions):
        mask = inputs.region_masks[0, place]
        rows, columns = torch.nonzero(sample.masks[key], as_tuple=True)
        centre = (float(rows.float().mean()) / 8, float(columns.float().mean()) / 8)
        found = torch.nonzero(mask == mask.max()).float().mean(0) + 0.5
        assert difference(found, torch.tensor(centre)) < 1, key


def test_dropped_conditions_are_those_of_the_unconditional_branch(run, samples, monkeypatch):
    usual = run.frozen.encode(samples[:2])
    chances = [run.frozen.draw_chance(n, (4, 16, 16)) for n in (0, 1)]
    monkeypatch.setattr(run.frozen, "draw_chance", lambda n, shape: replace(chances[n], is_dropped=n == 1))
    inputs = run.frozen.encode(samples[:2])
    assert inputs.counts == [5, 1] and inputs.strengths.tolist() == [1.0] * 5 + [0.0]
    assert not inputs.id_embeddings[1].any() and not inputs.valid[1].any() and not inputs.region_masks[1].any()
    assert torch.equal(inputs.photo_features[1], run.frozen.zero_features)
    assert torch.equal(inputs.text[0], usual.text[0]) and not torch.equal(inputs.text[1], usual.text[1])
    assert torch.equal(inputs.noisy, usual.noisy)
    fused = run.model.fuse_tokens(*(getattr(inputs, name) for name in FUSED))
    assert torch.equal(fused[1], inputs.text[1])
    gradients, _ = compute_gradients(run, [samples[1:2]])
    assert gradients.keys() == run.trained.keys(), "processes wait for the gradient of every parameter"


def test_without_id_tokens_facial_tokens_tell_the_person(run, samples, monkeypatch):
    chances = [run.frozen.draw_chance(n, (4, 16, 16)) for n in (0, 1)]
    monkeypatch.setattr(run.frozen, "draw_chance", lambda n, shape: replace(chances[n], is_id_dropped=n == 1))
    inputs = run.frozen.encode(samples[:2])
    assert inputs.id_weights.tolist() == [1.0, 0.0] and inputs.counts == [5, 5]
    alone = run.frozen.encode(samples[1:2])
    arguments, text = alone.as_arguments(), run.model.fuse_tokens(*(getattr(alone, name) for name in FUSED))
    without = run.model.predict(arguments, text, None, None)
    expected = measure_noise_loss(without, alone.target, alone.loss_mask)
    assert run.model(**arguments)["noise"] == pytest.approx(expected.item(), rel=1e-5)
    told = run.model(**arguments | {"id_weights": torch.ones(1)})["noise"]
    assert told != pytest.approx(expected.item(), rel=1e-3)
    gradients, _ = compute_gradients(run, [samples[1:2]])
    assert gradients.keys() == run.trained.keys(), "processes wait for the gradient of every parameter"


def test_id_tokens_are_dropped_as_often_as_asked_and_nothing_else_changes(run, monkeypatch):
    def draw(probability: float):
        monkeypatch.setattr(run.frozen, "config", replace(run.config, id_drop_probability=probability))
        return [run.frozen.draw_chance(ordinal, (4, 2, 2)) for ordinal in range(400)]

    usual, often = draw(0.0), draw(0.4)
    assert not any(chance.is_id_dropped for chance in usual)
    assert 0.33 < sum(chance.is_id_dropped for chance in often) / 400 < 0.47
    assert all(torch.equal(one.noise, other.noise) for one, other in zip(usual, often, strict=True))
    assert [(x.timestep, x.is_masked) for x in usual] == [(x.timestep, x.is_masked) for x in often]


def test_chance_belongs_to_the_sample(run, samples):
    """Whatever batch it comes in; other samples and other seeds have another."""
    together, alone = run.frozen.encode(samples[:3]), run.frozen.encode(samples[2:3])
    assert difference(together.noisy[2:], alone.noisy) < 1e-5 and together.timesteps[2] == alone.timesteps[0]
    assert difference(together.photo_features[2:], alone.photo_features) < 1e-4
    chances = [run.frozen.draw_chance(ordinal, (4, 16, 16)) for ordinal in range(400)]
    noise = torch.stack([chance.noise for chance in chances])
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01
    assert 0.4 < sum(chance.is_masked for chance in chances) / 400 < 0.6
    assert len({chance.timestep for chance in chances}) > 250
    assert not any(chance.is_dropped for chance in chances), "drop_probability is 0 here"


def test_the_person_mask(run, samples):
    masked = [n for n in range(20) if run.frozen.draw_chance(n, (4, 1, 1)).is_masked]
    free = [n for n in range(20) if n not in masked]
    one, other = (run.frozen.encode([run.samples[numbers[0]]]).loss_mask for numbers in (masked, free))
    assert bool((other == 1).all()) and one.min() == 0 and one.max() == 1
    person = run.samples[masked[0]].person
    assert float(one.mean()) == pytest.approx(float(person.mean()), abs=0.02)


def test_around_the_face_the_base_model_is_the_measure(run, monkeypatch):
    """With a class prompt: the noise on the face, the plain base model's prediction for that text elsewhere."""
    masked = next(n for n in range(20) if run.frozen.draw_chance(n, (4, 1, 1)).is_masked)
    monkeypatch.setattr(run.frozen, "config", replace(run.frozen.config, class_prompt="a photo of a person"))
    inputs = run.frozen.encode([run.samples[masked]]).as_arguments()
    unet, installed = run.model.unet, run.model.installed
    changed = [p for name, p in run.trained.items() if name.endswith("_lora.up.weight")]
    with torch.no_grad():
        for parameter in changed:
            parameter.fill_(0.01)
        found = run.model(**inputs)["noise"]
        text = run.model.fuse_tokens(*(inputs[name] for name in FUSED))
        tokens = run.model.id_projection(inputs["id_embeddings"], inputs["photo_features"])
        prediction = run.model.predict(inputs, text, None, tokens)
        for parameter in changed:
            parameter.zero_()
        ours = unet.attn_processors
        unet.set_attn_processor(dict(installed.replaced))
        plain = unet(inputs["noisy"], inputs["timesteps"], inputs["class_text"]).sample
        unet.set_attn_processor(ours)
    mask = inputs["loss_mask"]
    expected = ((prediction - mask * inputs["target"] - (1 - mask) * plain) ** 2).mean()
    assert found == pytest.approx(float(expected), rel=1e-4)
    assert difference(plain, prediction) > 1e-3
    face, person = run.samples[masked].face, run.samples[masked].person
    assert float(mask.mean()) == pytest.approx(float(face.mean()), abs=0.02) and face.mean() < 0.8 * person.mean()


def test_dropped_conditions_take_the_class_prompt_with_them(run, monkeypatch):
    monkeypatch.setattr(run.frozen, "config", replace(run.frozen.config, class_prompt="a dog", drop_probability=1.0))
    dropped = run.frozen.encode([run.samples[0]])
    assert torch.equal(dropped.class_text, dropped.text)


def test_the_loader_goes_on_where_it_was(run):
    ordinals = [[sample.ordinal for sample in batch] for batch in load_batches(run.samples, 2)]
    assert ordinals == [[8, 9], [10, 11], [12, 13], [14, 15]]
    second = [[sample.ordinal for sample in batch] for batch in load_batches(run.samples, 2, 1, 2)]
    assert second == [[10, 11], [14, 15]]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_batches_of_a_worker_take_no_open_files(run):
    """As shared tensors they take one each; beyond the usual 1024 the worker's queue fails and the run stands still."""
    config = replace(run.config, workers=1)
    batches = load_batches(TrainingSamples(run.samples.records, config), 0)
    first = next(batches)
    before = len(os.listdir("/proc/self/fd"))
    second = next(batches)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert [sample.ordinal for sample in first + second] == [0, 1, 2, 3]
    expected = run.samples[3]
    assert torch.equal(second[1].pixels.image, expected.pixels.image) and second[1].caption == expected.caption
