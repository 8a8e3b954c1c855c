"""diffusers' pipelines around the adapter: inpainting, ControlNet, LoRA files, schedulers, and what each step reads."""

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.schedule import Schedule
from consistentid.adapter.sites import list_sites
from consistentid.adapter.tokens import Pair
from consistentid.errors import CheckpointError, ConsistentIDError, IncompatibleModelError
from consistentid.headless.conditioning import Conditioning, Stage, unite_conditionings
from consistentid.headless.pipeline import Sampling, load_loras, load_pipeline, sample, set_scheduler
from consistentid.headless.schedulers import SCHEDULERS
from consistentid.headless.unet import install_adapter

TEXT, FACIAL, NEGATIVE = 1.0, 2.0, 3.0
PICTURE = Image.effect_noise((64, 64), 60).convert("RGB")
HALF = Image.fromarray(np.repeat([[0, 255]], 32, axis=1).repeat(64, axis=0).astype(np.uint8))


@pytest.fixture(scope="module")
def controlnet(standins, tmp_path_factory):
    from diffusers import ControlNetModel

    folder = tmp_path_factory.mktemp("controlnet")
    controlnet = ControlNetModel.from_unet(standins.make_unet())
    for module in (controlnet.controlnet_down_blocks, controlnet.controlnet_cond_embedding.conv_out):
        for parameter in module.parameters():  # they start at zero
            torch.nn.init.normal_(parameter, std=0.3)
    controlnet.save_pretrained(folder)
    return folder


def make_conditioning(width=768, pooled_width=None):
    def fill(value):
        return torch.full((1, 77, width), value)

    def pool(value):
        return None if pooled_width is None else torch.full((1, pooled_width), value)

    stages = [Stage(fill(v), fill(NEGATIVE), pool(v), pool(NEGATIVE)) for v in (TEXT, FACIAL)]
    return Conditioning(*stages, Pair(person=torch.ones(4, width), nobody=torch.zeros(4, width)))


def record(pipeline, sampling, conditioning):
    """For each call of the UNet: values of its text rows, of its ID tokens, and of the pooled text."""
    seen, forward = [], pipeline.unet.forward

    def spy(latents, timestep, encoder_hidden_states=None, **options):
        pooled = (options.get("added_cond_kwargs") or {}).get("text_embeds")
        rows = (x[:, 0, 0].tolist() for x in (encoder_hidden_states, options["cross_attention_kwargs"]["id_tokens"]))
        seen.append((*rows, None if pooled is None else pooled[:, 0].tolist()))
        return forward(latents, timestep, encoder_hidden_states=encoder_hidden_states, **options)

    pipeline.unet.forward = spy
    try:
        sample(pipeline, conditioning, sampling, output_type="latent")
    finally:
        del pipeline.unet.forward
    return seen


def make_sampling(steps=5, guidance=5.0, merge_at=0.6, seeds=(0,), size_px=64, **more):
    return Sampling(steps, guidance, size_px, size_px, merge_at, seeds, **more)


KINDS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.mark.parametrize(("control", "inpaint"), KINDS, ids=["text", "inpaint", "control", "control and inpaint"])
def test_every_pipeline_switches_at_the_merge_step(files, adapter, controlnet, control, inpaint):
    pipeline = load_pipeline(files["checkpoint"], SD15, controlnet=controlnet if control else "", inpaint=inpaint)
    pipeline.set_progress_bar_config(disable=True)
    install_adapter(pipeline.unet, adapter)
    pictures = {"control_image": PICTURE} if control else {}
    pictures |= {"image": PICTURE, "mask": HALF} if inpaint else {}
    sampling = make_sampling(seeds=(0, 1), **pictures)
    seen = record(pipeline, sampling, make_conditioning())
    assert sampling.merge_step == 3
    expected = [TEXT] * 4 + [FACIAL]
    assert [texts for texts, *_ in seen] == [[NEGATIVE, NEGATIVE, value, value] for value in expected]
    assert all(ids == [0.0, 0.0, 1.0, 1.0] for _, ids, _ in seen)


@pytest.mark.parametrize(("control", "inpaint"), KINDS, ids=["text", "inpaint", "control", "control and inpaint"])
def test_sdxl_switches_the_pooled_text_too(standins, control, inpaint):
    import diffusers

    unet = standins.make_unet("sdxl")
    scheduler = diffusers.EulerDiscreteScheduler()
    names = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
    parts = {**dict.fromkeys(names), "vae": standins.make_vae(), "unet": unet, "scheduler": scheduler}
    if control:
        parts["controlnet"] = diffusers.ControlNetModel.from_unet(unet)
    kind = f"StableDiffusionXL{'ControlNet' * control}{'Inpaint' * inpaint}Pipeline"
    pipeline = getattr(diffusers, kind)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    for module in unet.modules():  # without an adapter nobody takes the ID tokens
        if hasattr(module, "processor"):
            module.set_processor(IgnoringProcessor())
    pictures = {"control_image": PICTURE} if control else {}
    pictures |= {"image": PICTURE, "mask": HALF} if inpaint else {}
    seen = record(pipeline, make_sampling(3, merge_at=0.4, **pictures), make_conditioning(2048, 1280))
    assert [texts for texts, *_ in seen] == [[NEGATIVE, value] for value in (TEXT, TEXT, FACIAL)]
    assert [pooled for *_, pooled in seen] == [[NEGATIVE, value] for value in (TEXT, TEXT, FACIAL)]


class IgnoringProcessor:
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, id_tokens=None):
        return hidden_states


@pytest.fixture
def pipeline(files, adapter):
    pipeline = load_pipeline(files["checkpoint"], SD15)
    pipeline.set_progress_bar_config(disable=True)
    install_adapter(pipeline.unet, adapter)
    return pipeline


@pytest.mark.parametrize(("merge_at", "expected"), [(0.0, [FACIAL] * 4), (1.0, [TEXT] * 4)])
def test_ends_of_the_merge_point(pipeline, merge_at, expected):
    seen = record(pipeline, make_sampling(4, merge_at=merge_at), make_conditioning())
    assert [texts[-1] for texts, *_ in seen] == expected


def test_id_tokens_follow_their_schedule(files, adapter):
    """Weights of each step, the detail sites' apart; a later run begins as the first did."""
    pipeline = load_pipeline(files["checkpoint"], SD15)
    pipeline.set_progress_bar_config(disable=True)
    schedule = Schedule(start=0.25, end=0.75, detail=0.5)
    installed = install_adapter(pipeline.unet, adapter, 2.0, schedule=schedule)
    seen, forward = [], pipeline.unet.forward

    def spy(*arguments, **options):
        sites = zip(list_sites(SD15), installed.processors[1::2], strict=True)
        seen.append({site.group: processor.weight for site, processor in sites})
        return forward(*arguments, **options)

    pipeline.unet.forward = spy
    for _ in range(2):
        sample(pipeline, make_conditioning(), make_sampling(4), installed, output_type="latent")
    acting = {"detail": 1.0, "structure": 2.0, "composition": 2.0}
    none = dict.fromkeys(acting, 0.0)
    assert seen == [none, acting, acting, none] * 2


def test_several_people_in_one_run_are_as_each_alone(pipeline):
    def tell(seed):
        torch.manual_seed(seed)
        texts = [torch.randn(1, 77 * (seed + 1), 768) for _ in range(4)]
        return Conditioning(Stage(*texts[:2]), Stage(*texts[2:]), Pair(torch.randn(4, 768), torch.zeros(4, 768)))

    def draw(conditioning, *seeds):
        return sample(pipeline, conditioning, make_sampling(2, merge_at=0.5, seeds=seeds), output_type="latent")

    people = [tell(0), tell(1)]
    alone = torch.cat([draw(person, seed) for seed, person in enumerate(people)])
    together = draw(unite_conditionings(people), 0, 1)
    # a batch of four rows is rounded otherwise than one of two, which guidance and random weights make 7e-4 of
    assert (together - alone).abs().max() < 5e-3 * alone.std() < (alone[0] - alone[1]).abs().max() / 100


def test_without_guidance_only_the_person_is_read(pipeline):
    seen = record(pipeline, make_sampling(3, guidance=1.0, merge_at=0.3, size_px=128), make_conditioning())
    assert [texts for texts, *_ in seen] == [[TEXT], [TEXT], [FACIAL]]
    assert all(ids == [1.0] for _, ids, _ in seen)


def test_inpainting_counts_the_steps_it_really_takes(files, adapter):
    pipeline = load_pipeline(files["checkpoint"], SD15, inpaint=True)
    pipeline.set_progress_bar_config(disable=True)
    install_adapter(pipeline.unet, adapter)
    sampling = make_sampling(8, merge_at=0.5, image=PICTURE, mask=HALF, strength=0.5)
    seen = record(pipeline, sampling, make_conditioning())
    assert [texts[-1] for texts, *_ in seen] == [TEXT, TEXT, TEXT, FACIAL]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(pipeline, name):
    """Each is what its name says, keeps the model's noise schedule, and switches at the same step."""
    set_scheduler(pipeline, name)
    config = pipeline.scheduler.config
    assert (config.beta_start, config.beta_schedule) == (0.00085, "scaled_linear")
    assert bool(config.get("use_karras_sigmas")) == name.endswith("karras")
    seen = record(pipeline, make_sampling(6, merge_at=0.5), make_conditioning())
    assert [texts[-1] for texts, *_ in seen] == [TEXT] * 4 + [FACIAL] * 2


def test_an_unknown_scheduler_is_refused(pipeline):
    with pytest.raises(ConsistentIDError, match="euler, euler_a"):
        set_scheduler(pipeline, "karras")


def draw(pipeline, seeds=(0,), **more):
    return sample(pipeline, make_conditioning(), make_sampling(2, seeds=seeds, **more), output_type="np")


def test_a_picture_of_a_batch_has_its_own_seed(pipeline):
    both, second = draw(pipeline, (4, 5)), draw(pipeline, (5,))
    assert np.abs(both[1] - second[0]).max() < 1e-3 and np.abs(both[0] - both[1]).max() > 0.1


def test_the_control_picture_matters(files, adapter, controlnet):
    pipeline = load_pipeline(files["checkpoint"], SD15, controlnet=controlnet)
    install_adapter(pipeline.unet, adapter)
    strong, none = (draw(pipeline, control_image=PICTURE, control_scale=scale) for scale in (1.0, 0.0))
    other = draw(pipeline, control_image=PICTURE.rotate(90), control_scale=1.0)
    assert np.abs(strong - none).max() > 0.01 and np.abs(strong - other).max() > 1e-4


def test_lora_files(files, adapter, tmp_path):
    """A LoRA file acts by its weight, under the adapter."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    source = load_pipeline(files["checkpoint"], SD15)
    torch.manual_seed(0)
    source.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    source.save_lora_weights(tmp_path, get_peft_model_state_dict(source.unet), weight_name="style.safetensors")
    pictures = {}
    for weight in (None, 0.0, 1.0):
        pipeline = load_pipeline(files["checkpoint"], SD15)
        if weight is not None:
            load_loras(pipeline, [(str(tmp_path / "style.safetensors"), weight)])
        install_adapter(pipeline.unet, adapter)
        pictures[weight] = draw(pipeline)
    assert np.abs(pictures[0.0] - pictures[None]).max() < 1e-4
    assert np.abs(pictures[1.0] - pictures[None]).max() > 1e-3
    with pytest.raises(CheckpointError, match="not a LoRA file"):
        load_loras(source, [("style.bin", 1.0)])


def test_checkpoints_that_cannot_be_loaded(files, tmp_path):
    with pytest.raises(CheckpointError, match="not found"):
        load_pipeline(tmp_path / "absent.safetensors", SD15)
    with pytest.raises(CheckpointError, match=r"cannot load .* as a checkpoint of SD1\.5"):
        load_pipeline(tmp_path, SD15)
    with pytest.raises(
        IncompatibleModelError, match=r"A run with base sdxl is for SDXL, but .* is of SD1\.5\. .*SD1\.5 \(sd15\)"
    ):
        load_pipeline(files["checkpoint"], SDXL)
