"""The third base model, the small one of the zoo, in ComfyUI: its blocks, the numbers of diffusers, and runs."""

import importlib
import json

import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def small_model(host):
    return importlib.import_module(f"{host.__name__}.nodes.model.small_model")


@pytest.fixture(scope="module")
def names(small_model, zoo_models) -> dict[str, str]:
    """ComfyUI's name of each weight of a diffusers UNet."""
    import comfy.utils

    config = json.loads((zoo_models / "base" / "unet" / "config.json").read_text())
    return comfy.utils.unet_to_diffusers(small_model.convert_config(config))


@pytest.fixture(scope="module")
def model(small_model, zoo_models):
    """A MODEL with the weights of the zoo's UNet."""
    return small_model.load_unet(zoo_models / "base")


@pytest.fixture(scope="module")
def hosted(host, zoo_models):
    return host.nodes.model.hosting.HostedAdapter.load(str(zoo_models / "consistentid_zoo.safetensors"))


@pytest.fixture
def identity(host, make_identity):
    person = make_identity()
    features = {key: tensor[:65, :192].clone() for key, tensor in person.region_features.items()}
    photo, zero = (tensor[:65, :192].clone() for tensor in (person.photo_features, person.zero_features))
    return host.consistentid.identity.Identity(photo, zero, features, person.id_embedding)


def test_its_sites_are_the_transformer_blocks_of_comfyui(host, model, names):
    config = host.consistentid.adapter.config.ZOO
    sites = host.consistentid.adapter.sites.list_sites(config)
    modules = [name for name, _ in model.model.diffusion_model.named_modules()]
    blocks = {name.removesuffix(".attn2") for name in modules if name.endswith(".attn2")}
    assert blocks == {site.comfy for site in sites} and len(sites) == config.sites
    for site in sites:
        key = f"{site.diffusers}.attn2.to_k.weight"
        assert names[key] == f"{site.comfy}.attn2.to_k.weight"
    assert host.nodes.model.patching.detect_base(model) is config


def test_every_site_is_called_by_its_block(host, model):
    """ComfyUI looks patches up by (kind, number): each block asks for the one of its own site."""
    called = []
    clone = model.clone()
    for site in host.consistentid.adapter.sites.list_sites(host.consistentid.adapter.config.ZOO):

        def attend(q, k, v, extra_options, site=site):
            called.append((site.block, extra_options["block"], q.shape[-1]))
            return q

        clone.set_model_attn2_replace(attend, *site.block)
    predict(clone, torch.zeros(1, 4, 16, 16), torch.zeros(1, 77, 192))
    assert len(called) == 7 and all(tuple(there) == block for block, there, _ in called)
    assert sorted(width for *_, width in called) == [64] * 3 + [96] * 4


def predict(model, latents, text):
    options = model.model_options["transformer_options"] | {"cond_or_uncond": [0], "sigmas": torch.ones(1)}
    unet = model.model.diffusion_model
    return unet(latents, torch.full((len(latents),), 501.0), context=text, transformer_options=options)


def test_it_agrees_with_diffusers(host, model, hosted, identity, zoo_models):
    diffusers = pytest.importorskip("diffusers")
    import comfy.model_management

    from consistentid.adapter.checkpoint import load_adapter
    from consistentid.headless.unet import install_adapter

    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    text = torch.randn(1, 77, 192, generator=generator)
    patched = host.nodes.model.patching.apply_adapter(model, hosted, identity, 0.6, 0.8)
    comfy.model_management.load_models_gpu([patched])
    theirs = predict(patched, latents, text)
    unet = diffusers.UNet2DConditionModel.from_pretrained(zoo_models / "base" / "unet").eval()
    install_adapter(unet, load_adapter(zoo_models / "consistentid_zoo.safetensors"), 0.6, 0.8)
    tokens = {"id_tokens": hosted.project_identity(identity).person[None].float()}
    ours = unet(latents, 501, text, cross_attention_kwargs=tokens).sample
    assert (ours - theirs).abs().max() <= 1e-4 * ours.abs().max()


def test_a_person_changes_the_picture_and_weight_zero_does_not(host, run, model, hosted, identity):
    positive, negative = ([[torch.randn(1, 77, 192, generator=torch.Generator().manual_seed(n)), {}]] for n in (1, 2))
    apply = host.nodes.model.patching.apply_adapter
    plain = run.sample(model, (positive, negative))
    off = run.sample(apply(model, hosted, identity, 0.0, 0.0), (positive, negative))
    on = run.sample(apply(model, hosted, identity), (positive, negative))
    assert torch.equal(plain, off) and run.differ(on, plain) > 0.01
    assert torch.equal(run.sample(model, (positive, negative)), plain), "the MODEL is left as it was"


def test_the_negative_has_no_facial_tokens(host, small_model, zoo_models, hosted, identity):
    clip = small_model.load_clip(zoo_models / "base" / "text_encoder", zoo_models / "base" / "tokenizer")
    output = host.nodes.conditioning.InjectTokens.execute(
        clip, hosted, identity, "a photo of a woman", "blurry", 0.5, "auto"
    )
    positive, negative, *_ = output.args
    (plain, _), *others = clip.encode_from_tokens_scheduled(clip.tokenize("blurry"))
    assert not others and [torch.equal(text, plain) for text, _ in negative] == [True]
    assert len(positive) == 2 and not torch.equal(positive[0][0], positive[1][0])


def test_words_that_the_small_models_do_not_know_are_named(host, small_model, zoo_models, hosted, identity, caplog):
    clip = small_model.load_clip(zoo_models / "base" / "text_encoder", zoo_models / "base" / "tokenizer")

    def run(prompt):
        caplog.clear()
        output = host.nodes.conditioning.InjectTokens.execute(clip, hosted, identity, prompt, "", 0.5, "auto")
        (shown,) = output.ui["consistentid_prompt"]
        return output.args[3], shown, caplog.text

    report, shown, log = run("a woman in a (spaceship:1.2), neon, on a beach")
    told = "Unknown to the small models: spaceship, neon."
    assert report.splitlines()[-1] == told and told in log
    assert shown["unknown"] == ["spaceship", "neon"] and "spaceship" not in shown["report"], "the panel says it itself"
    report, shown, log = run("a woman on a beach")
    assert "Unknown" not in report + log and shown["unknown"] == []


def test_facial_tokens_change_the_text(hosted, identity):
    tokens, zero = hosted.encode_regions(identity)
    text = torch.randn(1, 77, 192, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([4, 9])
    fused = hosted.fuse(text, torch.stack([tokens["Face"], zero]), rows)
    assert not torch.allclose(fused[0, rows], text[0, rows])
    others = [place for place in range(77) if place not in (4, 9)]
    assert torch.equal(fused[0, others], text[0, others])


def test_what_does_not_go_together(host, tiny, model, hosted, identity, make_identity):
    error = host.consistentid.errors.IncompatibleModelError
    with pytest.raises(error, match=r"for the small models reads features of shape \[65, 192\]"):
        hosted.encode_regions(make_identity())
    with pytest.raises(error, match=r"for the small models reads features of shape \[65, 192\]"):
        host.nodes.model.patching.apply_adapter(model, hosted, make_identity())
    with pytest.raises(error, match=r"is for the small models, but MODEL is of SD1.5"):
        host.nodes.model.patching.apply_adapter(tiny.make_model(), hosted, identity)
    released, _ = tiny.make_adapter(host, torch.zeros(2, 4, 768))
    with pytest.raises(error, match=r"is for SD1.5, but MODEL is of the small models"):
        host.nodes.model.patching.apply_adapter(model, released, identity)


def test_a_person_is_encoded_by_its_image_encoder(host, small_model, zoo_models, astronaut):
    clip_vision = small_model.load_clip_vision(zoo_models / "image_encoder")
    encoder = host.nodes.identity.HostedClipVision(clip_vision)
    features, zero = host.consistentid.identity.encode.encode_images(encoder, [astronaut])
    assert features.shape == (1, 65, 192) and zero.shape == (65, 192)
    assert not torch.allclose(features[0], zero)
