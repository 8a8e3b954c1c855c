"""Watch and Show Facial Attention: the maps are those of the run, whatever was drawn before or after."""

import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.host

WATCHED = {
    "sd15": {("input", n) for n in (4, 5, 7, 8)} | {("middle", 0)} | {("output", n) for n in range(3, 9)},
    "sdxl": {("input", n) for n in (7, 8)} | {("middle", 0)} | {("output", n) for n in range(3)},
}
ONE_STEP = torch.tensor([0.7, 0.0])
TOKENS = {"face": (3,), "eyes": (5, 9)}


@pytest.fixture
def draw(host, run):
    """A run of `model` with a person's conditions, whose facial text says where its tokens are."""

    def draw(portrait, model, tokens=TOKENS, **options):
        texts, facial, negative = portrait._tell()
        facial[0][1][host.nodes.model.rows.FACIAL_TOKENS] = tokens
        conditions = host.nodes.text.conditioning.split_stages(texts, facial, 0.5), negative
        return run.sample(model, conditions, **options)

    return draw


@pytest.fixture
def watch(host):
    def watch(model):
        return host.nodes.attention.WatchAttention.execute(model).args

    return watch


def spy_on_attention(host, monkeypatch) -> list[tuple]:
    """Fills a list with (site, query, key, heads) of the positive row of every facial evaluation."""
    seen, original = [], host.nodes.model.attention.IDAttentionPatch.__call__

    def call(self, q, k, v, extra_options):
        if float(extra_options["sigmas"][0]) < 1:
            row = extra_options["cond_or_uncond"].index(0)
            seen.append((extra_options["block"], q[row], k[row], extra_options["n_heads"]))
        return original(self, q, k, v, extra_options)

    monkeypatch.setattr(host.nodes.model.attention.IDAttentionPatch, "__call__", call)
    return seen


def attend(query, key, heads, positions) -> torch.Tensor:
    """Mean over the heads of what a few tokens get together, one head at a time: [P]."""
    total = 0
    for q, k in zip(query.double().chunk(heads, 1), key.double().chunk(heads, 1), strict=True):
        total += (q @ k.T / q.shape[1] ** 0.5).softmax(1)[:, list(positions)].sum(1)
    return (total / heads).float()


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_maps_are_those_of_plain_attention(host, tiny, run, draw, watch, monkeypatch, name):
    portrait = run.Portrait(host, tiny, name)
    model, attention = watch(portrait.apply())
    seen = spy_on_attention(host, monkeypatch)
    (own,) = attention.find(draw(portrait, model))
    assert (own.steps, own.count, list(own.maps)) == ((3,), 3, ["face", "eyes"])
    layers = [layer for layer in seen if layer[0] in WATCHED[name]]
    size = max(int(len(query) ** 0.5) for _, query, _, _ in layers)
    for region, maps in own.maps.items():
        plain = []
        for _, query, key, heads in layers:
            one = attend(query, key, heads, TOKENS[region]).view(1, 1, int(len(query) ** 0.5), -1)
            plain.append(F.interpolate(one, (size, size), mode="bilinear")[0])
        assert torch.allclose(maps, torch.stack(plain).mean(0), atol=1e-6)
        assert maps.std() > 1e-4


def test_watching_changes_nothing_and_leaves_the_model(host, portrait, draw, watch):
    model = portrait.apply()
    key = host.nodes.model.attention_watch.WATCH
    plain = draw(portrait, model)
    watched, _ = watch(model)
    assert torch.equal(draw(portrait, watched), plain)
    assert key not in model.model_options["transformer_options"]
    assert not model.get_all_wrappers("outer_sample") or key not in model.wrappers["outer_sample"]
    assert torch.equal(draw(portrait, model), plain)


@pytest.mark.parametrize("order", ["watch, then apply", "no weight", "no person"])
def test_facial_tokens_are_seen_without_id_tokens_too(host, portrait, draw, watch, order):
    if order == "watch, then apply":
        plain, (model, attention) = portrait.apply(), watch(portrait.model)
        model = portrait.apply(model)
    else:
        plain = portrait.apply(None, 0.0) if order == "no weight" else portrait.model
        model, attention = watch(plain)
    latent = draw(portrait, model, latent=torch.zeros(2, 4, 16, 16))
    if order != "no person":  # without one, what is drawn is not told where the merge point is
        assert torch.equal(latent, draw(portrait, plain, latent=torch.zeros(2, 4, 16, 16)))
    assert all(0.001 < own.maps["eyes"].mean() < 0.1 for own in attention.find(latent))


def test_each_latent_finds_its_own_run(host, portrait, draw, watch):
    model, attention = watch(portrait.apply())
    noises = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    latents = [draw(portrait, model, noise=noise, sigmas=ONE_STEP) for noise in noises[:2]]
    first, second = (attention.find(latent)[0].maps["face"] for latent in latents)
    assert not torch.equal(first, second)
    again = draw(portrait, model, noise=noises[0], sigmas=ONE_STEP)
    assert torch.equal(attention.find(again)[0].maps["face"], first)
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="No run of the watched MODEL"):
        attention.find(latents[0] + 1)
    for noise in noises[1:]:
        draw(portrait, model, noise=noise, sigmas=ONE_STEP)
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="latest 4 runs"):
        attention.find(latents[0])


def test_pictures_of_a_batch_are_apart(host, portrait, draw, watch):
    model, attention = watch(portrait.apply())
    noise = torch.randn(2, 4, 24, 16, generator=torch.Generator().manual_seed(1))
    together = attention.find(draw(portrait, model, noise=noise, latent=torch.zeros_like(noise)))
    for picture in range(2):
        one = noise[picture : picture + 1]
        (alone,) = attention.find(draw(portrait, model, noise=one, latent=torch.zeros_like(one)))
        assert torch.allclose(together[picture].maps["eyes"], alone.maps["eyes"], atol=1e-5)
        assert alone.maps["eyes"].shape == (1, 12, 8)


def test_a_person_s_tokens_get_nothing_outside_the_mask(host, run, portrait, watch):
    mask = torch.zeros(1, 16, 16)
    mask[..., :8] = 1
    person = host.nodes.people.Person(portrait.identity, host.consistentid.adapter.masks.AttentionMask(mask))
    model = host.nodes.model.patching.apply_adapter(portrait.model, portrait.hosted, (person,))
    model, attention = watch(model)
    rows = host.nodes.model.rows
    masked = [host.consistentid.adapter.masks.TokenMask(torch.tensor([3]), 77, person.mask)]
    told = {rows.TOKEN_MASKS: masked, rows.FACIAL_TOKENS: {"A face": (3,), "B face": (5,)}}
    positive, negative = [[run.tell(1), told]], [[run.tell(-1), {}]]
    (own,) = attention.find(run.sample(model, (positive, negative)))
    assert own.steps == (1, 2, 3)
    assert own.maps["A face"][..., 5:].max() < 1e-3 < own.maps["A face"][..., :3].min()
    assert own.maps["B face"][..., 5:].min() > 1e-3


def test_a_sheet_or_what_is_wrong(host, portrait, draw, watch):
    model, attention = watch(portrait.apply())
    latent, images = draw(portrait, model), torch.rand(1, 128, 128, 3)
    show, error = host.nodes.attention.ShowAttention.execute, host.consistentid.errors.ConsistentIDError
    (sheet,) = show(attention, {"samples": latent}, images, 3).args
    assert sheet.shape[0] == 1 and sheet.shape[2] == 4 * (288 + 6) + 6
    with pytest.raises(error, match="holds 1 picture, but images has 2"):
        show(attention, {"samples": latent}, images.repeat(2, 1, 1, 1), 3)
    silent = draw(portrait, model, tokens={})
    with pytest.raises(error, match="No facial token was seen to act"):
        show(attention, {"samples": silent}, images, 3)
