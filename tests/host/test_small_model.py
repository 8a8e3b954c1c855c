"""The small base model in ComfyUI computes what it computes in diffusers and transformers."""

import copy
import importlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.host
PROMPT = "a photo of a woman with two eyes"


@pytest.fixture(scope="module")
def small_model(host):
    return importlib.import_module(f"{host.__name__}.nodes.model.small_model")


@pytest.fixture(scope="module")
def pipeline(zoo_models):
    return pytest.importorskip("diffusers").StableDiffusionPipeline.from_pretrained(zoo_models / "base")


def test_unet(small_model, zoo_models, pipeline):
    model = small_model.load_unet(zoo_models / "base")
    noisy, times, text = torch.randn(2, 4, 16, 16), torch.tensor([3, 700]), torch.randn(2, 77, 192)
    expected = pipeline.unet(noisy, times, text).sample
    result = model.model.diffusion_model(noisy, times, context=text)
    assert (result - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.fixture
def make_base(tmp_path):
    """Writes a diffusers folder of random weights: eight channels, half the scale; scheduler: what its file says."""
    diffusers = pytest.importorskip("diffusers")

    def make(**scheduler):
        torch.manual_seed(0)
        blocks = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
        unet = diffusers.UNet2DConditionModel(
            in_channels=8, out_channels=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=192,
            attention_head_dim=2, down_block_types=blocks[0], up_block_types=blocks[1],
        )  # fmt: skip
        unet.save_pretrained(tmp_path / "unet")
        diffusers.AutoencoderTiny(latent_channels=8, scaling_factor=0.5).save_pretrained(tmp_path / "vae")
        betas = {"beta_start": 0.001, "beta_schedule": "scaled_linear"}
        diffusers.EulerDiscreteScheduler(**betas | scheduler).save_pretrained(tmp_path / "scheduler")
        return tmp_path

    return make


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_unet_predicts_what_its_scheduler_says(small_model, make_base, prediction):
    from diffusers import DDPMScheduler, UNet2DConditionModel

    base = make_base(prediction_type=prediction, beta_end=0.03)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    scheduler = DDPMScheduler.from_pretrained(base / "scheduler", clip_sample=False)
    scheduler.set_timesteps(1000)
    noisy, text = torch.randn(1, 8, 16, 16), torch.randn(1, 77, 192)
    expected = scheduler.step(unet(noisy, 600, text).sample, 600, noisy).pred_original_sample
    kept = scheduler.alphas_cumprod[600]
    model = small_model.load_unet(base).model
    sigma = ((1 - kept) / kept).sqrt()[None]
    found = model.apply_model(noisy * (1 + sigma.square()).sqrt(), sigma, c_crossattn=text)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_eight_channels_are_no_model_for_inpainting(small_model, make_base):
    model = small_model.load_unet(make_base())
    assert model.model.concat_keys == () and model.get_model_object("latent_format").latent_channels == 8
    import nodes

    texts = [[[torch.randn(1, 77, 192), {}]] for _ in range(2)]
    empty = {"samples": torch.zeros(1, 4, 16, 16)}  # as Empty Latent Image gives it
    (latent,) = nodes.common_ksampler(model, 0, 1, 5.0, "euler", "normal", *texts, empty)
    assert latent["samples"].shape == (1, 8, 16, 16)


def test_latents_are_scaled_as_the_autoencoder_says(small_model, make_base):
    from diffusers import AutoencoderTiny

    folder = make_base() / "vae"
    picture, vae = torch.rand(1, 64, 64, 3), small_model.load_vae(folder)
    expected = AutoencoderTiny.from_pretrained(folder).encode(picture.permute(0, 3, 1, 2) * 2 - 1).latents
    found = small_model.SmallLatents(8).process_in(vae.encode(picture))
    assert (found - 0.5 * expected).abs().max() < 1e-4 * expected.abs().max()
    assert vae.decode(vae.encode(picture)).shape == picture.shape


@pytest.mark.parametrize("changes", [{"prediction_type": "sample"}, {"beta_schedule": "linear"}])
def test_noise_that_comfyui_does_not_know_is_refused(small_model, host, make_base, changes):
    with pytest.raises(host.consistentid.errors.CheckpointError, match=r"scheduler_config\.json names .*scaled_linear"):
        small_model.load_unet(make_base(**changes))


def test_text(small_model, zoo_models, pipeline):
    clip = small_model.load_clip(zoo_models / "base" / "text_encoder", zoo_models / "base" / "tokenizer")
    conditioning = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))
    tokens = pipeline.tokenizer(PROMPT, padding="max_length", return_tensors="pt").input_ids
    encoder = pipeline.text_encoder.half().float()  # ComfyUI computes it from weights in float16
    assert (conditioning[0][0] - encoder(tokens).last_hidden_state).abs().max() < 1e-4


def test_pictures_through_the_autoencoder(small_model, zoo_models, pipeline):
    vae = small_model.load_vae(zoo_models / "base" / "vae")
    picture = torch.rand(1, 64, 64, 3)
    expected = pipeline.vae.encode(picture.permute(0, 3, 1, 2) * 2 - 1).latents
    drawn = pipeline.vae.decode(expected).sample
    latents = vae.encode(picture)
    scaled = latents * small_model.LATENT_SCALE
    assert (scaled - expected).abs().max() < 1e-4 * expected.abs().max()
    expected_picture = ((drawn + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)
    assert (vae.decode(latents) - expected_picture).abs().max() < 1e-4


def test_features_of_pictures(small_model, zoo_models):
    from transformers import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(zoo_models / "image_encoder", dtype=torch.float32)
    clip_vision = small_model.load_clip_vision(zoo_models / "image_encoder")
    pixels = torch.randint(0, 256, (1, 224, 224, 3)) / 255
    normalised = (pixels - torch.tensor(clip_vision.image_mean)) / torch.tensor(clip_vision.image_std)
    expected = model(normalised.permute(0, 3, 1, 2), output_hidden_states=True).hidden_states[-2]
    found = clip_vision.encode_image(pixels)["penultimate_hidden_states"]
    assert found.shape == (1, 65, 192)
    assert (found - expected).abs().max() < 2e-3 * expected.abs().max()


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_other_weights_are_refused(small_model, host, zoo_models, tmp_path, part):
    source, folder = zoo_models / "base" / part, tmp_path / part
    shutil.copytree(zoo_models / "base" / "scheduler", tmp_path / "scheduler")
    folder.mkdir()
    (weights,) = source.glob("*.safetensors")
    tensors = load_file(weights)
    lost = next(iter(tensors))
    save_file({"foreign": tensors.pop(lost), **tensors}, folder / weights.name)
    (folder / "config.json").write_text(json.dumps(json.loads((source / "config.json").read_text())))
    loaders = {
        "unet": lambda folder: small_model.load_unet(folder.parent),
        "vae": small_model.load_vae,
        "text_encoder": lambda folder: small_model.load_clip(folder, zoo_models / "base" / "tokenizer"),
    }
    with pytest.raises(host.consistentid.errors.CheckpointError, match="foreign"):
        loaders[part](folder)


@pytest.fixture(scope="module")
def loaded(host):
    """MODEL, CLIP, VAE, CLIP_VISION and adapter of Load Small Models."""
    return host.nodes.zoo.LoadZoo.execute().args[:5]


def list_copies(patcher) -> list:
    """What newer hosts make of it for torch.compile, for whoever may not share it, and for another GPU."""
    if not hasattr(patcher, "deepclone_multigpu"):
        return [patcher.clone()]
    patcher.is_dynamic = lambda: True  # as on a GPU
    plain = patcher.clone(disable_dynamic=True)
    del patcher.is_dynamic
    copies = [plain, patcher.clone(force_deepcopy=True), patcher.deepclone_multigpu(torch.device("cpu"))]
    assert patcher.model not in [one.model for one in copies]
    return copies


def test_newer_hosts_load_the_model_again(host, loaded, run):
    model, *_, hosted = loaded
    photo, zero, text, other = (torch.randn(1, rows, 192) for rows in (65, 65, 77, 77))
    identity = host.consistentid.identity.Identity(photo[0], zero[0], {}, torch.randn(512))
    conditions = [[text, {}]], [[other, {}]]
    ours = host.nodes.model.patching.apply_adapter(model, hosted, identity)
    assert run.differ(run.sample(ours, conditions), run.sample(model, conditions)) > 0.1
    for one in (model, ours):
        drawn = run.sample(one, conditions)
        for again in list_copies(one):
            assert torch.equal(run.sample(again, conditions), drawn)


def test_newer_hosts_load_text_encoder_and_autoencoder_again(loaded):
    _, clip, vae, *_ = loaded
    text = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))[0][0]
    for patcher in list_copies(clip.patcher):
        twin = clip.clone()
        twin.patcher, twin.cond_stage_model = patcher, patcher.model
        assert torch.equal(twin.encode_from_tokens_scheduled(twin.tokenize(PROMPT))[0][0], text)
    picture = vae.decode(torch.ones(1, 4, 8, 8))
    for patcher in list_copies(vae.patcher):
        twin = copy.copy(vae)
        twin.patcher, twin.first_stage_model = patcher, patcher.model
        assert torch.equal(twin.decode(torch.ones(1, 4, 8, 8)), picture)


def test_torch_compile_takes_it(loaded):
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    compiled = TorchCompileModel.execute(loaded[0], "inductor").args[0]
    assert "torch_compile_kwargs" in compiled.model_options


def test_nodes_for_several_gpus_take_it(loaded, caplog):
    nodes = pytest.importorskip("comfy_extras.nodes_multigpu", reason="this ComfyUI has no nodes for several GPUs")
    model, clip, vae, *_ = loaded
    assert nodes.MultiGPUCFGSplitNode.execute(model, 2).args[0].model is model.model
    for node, one in (("Model", model), ("CLIP", clip), ("VAE", vae)):
        for device in ("cpu", "default"):
            getattr(nodes, f"Select{node}DeviceNode").execute(one, device)
    assert "cannot retarget" not in caplog.text


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_person_on_several_gpus(host, loaded, run, monkeypatch, order):
    """Each condition is computed on a device of its own; here two names of the CPU."""
    multigpu = pytest.importorskip("comfy.multigpu", reason="this ComfyUI does not share work between GPUs")
    import comfy.model_management

    devices = [torch.device("cpu"), torch.device("cpu:0")]
    monkeypatch.setattr(comfy.model_management, "get_all_torch_devices", lambda **_: devices)
    model, *_, hosted = loaded
    photo, zero, text, facial, negative = (torch.randn(1, rows, 192) for rows in (65, 65, 77, 77, 77))
    identity = host.consistentid.identity.Identity(photo[0], zero[0], {}, torch.randn(512))
    mask = torch.zeros(1, 64, 64)
    mask[:, :, :32] = 1
    people = host.nodes.people.list_people(identity, mask)
    conditions = host.nodes.text.conditioning.split_stages([[text, {}]], [[facial, {}]], 0.5), [[negative, {}]]

    def apply(one):
        return host.nodes.model.patching.apply_adapter(one, hosted, people)

    def split(one):
        return multigpu.create_multigpu_deepclones(one, 2)

    shared = split(apply(model)) if order == "after" else apply(split(model))
    assert len(shared.get_additional_models_with_key("multigpu")) == 1
    expected = run.sample(apply(model), conditions)
    assert run.differ(run.sample(shared, conditions), expected) < 1e-4
    assert run.differ(run.sample(model, conditions), expected) > 0.1
