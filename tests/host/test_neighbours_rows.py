"""Beside packs that cut the picture into tiles, the text into regions, or a film into windows: whose row is whose."""

from inspect import signature

import pytest
import torch

pytestmark = pytest.mark.host

TILES = {"method": "MultiDiffusion", "tile_width": 64, "tile_height": 64, "tile_overlap": 0, "tile_batch_size": 4}
NAMES = ("sd15", "sdxl")


@pytest.fixture(scope="module")
def portraits(host, tiny, run):
    return {name: run.Portrait(host, tiny, name) for name in NAMES}


@pytest.fixture
def draw(run):
    """The latent of a step; batch: images, of different noise. Several steps make much of rounding: 2e-2 with SDXL."""

    def draw(model, conditions, batch=1, sigmas=run.SIGMAS[2:]):
        noise = torch.randn(batch, 4, 16, 16, generator=torch.Generator().manual_seed(5))
        return run.sample(model, conditions, latent=torch.zeros_like(noise), noise=noise, sigmas=sigmas)

    return draw


def make_person(host, portrait, columns=None, images=1):
    """The person of a portrait, everywhere or in columns (of 16) of the picture, in each image `step` further right."""
    if columns is None:
        return portrait.identity
    mask = torch.zeros(images, 128, 128)
    for image in range(images):
        mask[image, :, (columns[0] + image) * 8 : (columns[1] + image) * 8] = 1
    return (host.nodes.people.Person(portrait.identity, host.consistentid.adapter.masks.AttentionMask(mask)),)


def apply(host, portrait, person, model=None, weight=1.0):
    return host.nodes.model.patching.apply_adapter(model or portrait.model, portrait.hosted, person, weight)


def hide_tokens(host, positive, columns):
    """Facial tokens of the second stage, masked to columns (of 16) of the picture."""
    mask = torch.zeros(1, 128, 128)
    mask[:, :, columns[0] * 8 : columns[1] * 8] = 1
    token_mask = host.consistentid.adapter.masks.TokenMask(
        torch.arange(3, 40), 77, host.consistentid.adapter.masks.AttentionMask(mask)
    )
    return [[text, {**values, host.nodes.model.rows.TOKEN_MASKS: [token_mask]}] for text, values in positive]


@pytest.fixture
def tile(comfyui, neighbours):
    module = neighbours.import_neighbour(comfyui, "ComfyUI-TiledDiffusion", "tiled_diffusion")
    return lambda model, **options: module.TiledDiffusion().apply(model, **{**TILES, **options})[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "method"), [(1, "MultiDiffusion"), (2, "Mixture of Diffusers")])
def test_tiles_of_a_batch_are_those_of_one(host, portraits, draw, tile, name, batch, method):
    """Alone, in hooks and in several sizes of batches: each tile gets the person in its positive and not elsewhere."""
    portrait = portraits[name]
    conditions, model = portrait.make_conditions(), apply(host, portrait, make_person(host, portrait))
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, portrait.identity)
    hooked = [[[text, {**values, "hooks": hooks}] for text, values in entries] for entries in conditions]

    def draw_tiles(model, conditions, count):
        return draw(tile(model, method=method, tile_batch_size=count), conditions, batch)

    alone = draw_tiles(model, conditions, 1)
    for count in (2, 4):
        assert relative(draw_tiles(model, conditions, count), alone) < 2e-3
    assert relative(draw_tiles(portrait.model, hooked, 4), alone) < 2e-3
    assert relative(draw_tiles(portrait.model, portrait.make_plain_conditions(), 1), alone) > 1e-2


def relative(a, b) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 4])
def test_a_mask_means_the_whole_picture_in_tiles(host, portraits, draw, tile, name, count):
    """Tiles that do not overlap are pictures of their own: left as with the person, right as without ID tokens."""
    portrait = portraits[name]
    conditions = portrait.make_conditions()
    left, everywhere, nowhere = (
        draw(tile(apply(host, portrait, person, weight=weight), tile_batch_size=count), conditions, 2)
        for person, weight in (
            (make_person(host, portrait, (0, 8)), 1.0),
            (portrait.identity, 1.0),
            (portrait.identity, 0.0),
        )
    )
    assert relative(left[..., :8], everywhere[..., :8]) < 2e-3
    assert relative(left[..., 8:], nowhere[..., 8:]) < 2e-3
    assert relative(everywhere, nowhere) > 1e-2


@pytest.mark.parametrize("count", [1, 4])
def test_masked_tokens_in_tiles(host, portraits, draw, tile, count):
    portrait = portraits["sd15"]
    positive, negative = portrait.make_conditions()
    changed = [[text.clone(), values] for text, values in positive]
    for text, _ in changed:
        text[:, 3:40] = 2.0
    model = tile(apply(host, portrait, portrait.identity), tile_batch_size=count)
    one, two = (draw(model, (hide_tokens(host, texts, (0, 8)), negative), 2) for texts in (positive, changed))
    assert torch.equal(one[..., 8:], two[..., 8:])
    assert relative(one[..., :8], two[..., :8]) > 1e-3


def test_tiles_that_hide_where_they_are_are_refused(host, portraits, draw, tile):
    """SpotDiffusion moves the picture one way and what belongs to it another."""
    portrait = portraits["sd15"]
    store = __import__("neighbour_comfyui_tileddiffusion.utils", fromlist=["store"]).store
    store.sigmas, store.model_options, store.extra_args = torch.tensor([3.0, 0.7, 0.0]), {}, {"seed": 1}
    conditions = portrait.make_conditions()
    whole = apply(host, portrait, portrait.identity)
    one, many = (draw(tile(whole, method="SpotDiffusion", tile_batch_size=count), conditions) for count in (1, 4))
    assert relative(one, many) < 2e-3
    masked = apply(host, portrait, make_person(host, portrait, (0, 8)))
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="Masks of people cannot be placed"):
        draw(tile(masked, method="SpotDiffusion"), conditions)


def couple_ppm(neighbours, comfyui, model, base, regions, masks):
    # Its node as it is for SD1.5 and SDXL; the node itself imports models that only some hosts have.
    module = neighbours.import_neighbour(comfyui, "ComfyUI-ppm", "src.attention_couple.unet_couple")
    kind = (torch.device("cpu"), torch.float32)
    clone = model.clone()
    clone.set_model_attn2_patch(module.unet_attn2_couple_wrapper(base, regions, len(masks), False, *kind))
    clone.set_model_attn2_output_patch(module.unet_attn2_output_couple_wrapper(torch.stack(masks)))
    return clone


def couple_cgem(neighbours, comfyui, model, base, regions, masks):
    module = neighbours.import_neighbour(comfyui, "cgem156-ComfyUI", "scripts.attention_couple.node")
    inputs = {f"cond_{number}": region for number, region in enumerate(regions, 1)}
    inputs |= {f"mask_{number}": mask for number, mask in enumerate(masks[1:], 1)}
    return module.AttentionCouple().attention_couple_simple(model, masks[0], **inputs)[0]


COUPLES = {"ppm": couple_ppm, "cgem156": couple_cgem}


def make_masks(count):
    """Columns that share a picture of 128 x 128."""
    masks = torch.zeros(count, 1, 128, 128)
    for number, mask in enumerate(masks):
        mask[:, :, number * 128 // count : (number + 1) * 128 // count] = 1
    return list(masks)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("regions", [1, 2])
@pytest.mark.parametrize("pack", COUPLES)
def test_regions_with_the_same_text_are_no_regions(host, portraits, draw, neighbours, comfyui, name, regions, pack):
    """With a batch, a mask of the person and masked tokens, before and behind the other pack."""
    portrait = portraits[name]
    plain = portrait.make_plain_conditions()
    text = [plain[0][1]]
    text[0][1].clear()
    if name == "sdxl":
        text[0][1]["pooled_output"] = torch.ones(1, 1280)
    conditions = (text, plain[1])
    person = make_person(host, portrait, (0, 8))

    def couple(model, others=None):
        return COUPLES[pack](neighbours, comfyui, model, text, others or [text] * regions, make_masks(regions + 1))

    for who in (portrait.identity, person):
        alone = draw(apply(host, portrait, who), conditions, 2)
        assert relative(draw(couple(apply(host, portrait, who)), conditions, 2), alone) < 2e-3
        assert relative(draw(apply(host, portrait, who, couple(portrait.model)), conditions, 2), alone) < 2e-3
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, person)
    hooked = [[[one, {**values, "hooks": hooks}] for one, values in entries] for entries in conditions]
    assert relative(draw(couple(portrait.model), hooked, 2), alone) < 2e-3
    others = [[[-one[0][0], one[0][1]]] for one in [text] * regions]
    assert relative(draw(couple(apply(host, portrait, person), others), conditions, 2), alone) > 1e-2


@pytest.mark.parametrize("pack", COUPLES)
def test_masked_tokens_beside_regions(host, portraits, draw, neighbours, comfyui, pack):
    """They act inside their mask and their region; another region's text has no such tokens."""
    portrait = portraits["sd15"]
    plain, negative = portrait.make_plain_conditions()
    text = [[plain[1][0], {}]]
    changed = [[text[0][0].clone(), {}]]
    changed[0][0][:, 3:40] = 2.0
    region = [[torch.randn(1, 154, 768, generator=torch.Generator().manual_seed(8)), {}]]
    masks = make_masks(2)
    model = apply(host, portrait, portrait.identity)
    pictures = []
    for base in (text, changed):
        coupled = COUPLES[pack](neighbours, comfyui, model, base, [region], masks)
        pictures.append(draw(coupled, (hide_tokens(host, base, (8, 16)), negative)))
    assert relative(*pictures) < 2e-3, "in the region of the other text, masked tokens of this one do nothing"
    pictures = []
    for base in (text, changed):
        coupled = COUPLES[pack](neighbours, comfyui, model, base, [region], masks)
        pictures.append(draw(coupled, (hide_tokens(host, base, (0, 8)), negative)))
    assert relative(*pictures) > 1e-3


def test_a_pack_that_takes_our_place_is_named(host, portraits, draw, neighbours, comfyui):
    """ComfyCouple behind Apply ConsistentID replaces its patches; before it, both act."""
    module = neighbours.import_neighbour(comfyui, "ComfyUI-ComfyCouple", "attention_couple")
    portrait = portraits["sd15"]
    positive, negative = portrait.make_plain_conditions()
    positive = [[positive[1][0], {"mask": mask, "mask_strength": 1.0}] for mask in make_masks(2)]

    def couple(model):
        return module.AttentionCouple().attention_couple(model, positive, negative, "Attention")

    model, *conditions = couple(portrait.model)
    person = apply(host, portrait, portrait.identity, model)
    plain = ([[conditions[0][0][0], {}]], conditions[1])
    assert relative(draw(person, conditions), draw(apply(host, portrait, portrait.identity), plain)) < 2e-3
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"16 of 16.*attention_couple"):
        draw(couple(apply(host, portrait, portrait.identity))[0], conditions)


@pytest.fixture(params=["host", "AnimateDiff-Evolved", "AnimateDiff-Evolved first"])
def window(request, comfyui, neighbours):
    """A function that has a MODEL draw windows of frames, and whether it goes ahead of the adapter."""
    if request.param == "host":
        from comfy_extras.nodes_context_windows import ContextWindowsManualNode

        def put(model, length, overlap, schedule="standard_uniform"):
            newer = (
                {"freenoise": False} if "freenoise" in signature(ContextWindowsManualNode.execute).parameters else {}
            )
            made = ContextWindowsManualNode.execute(model, length, overlap, schedule, 1, False, "flat", 0, **newer)
            return made.result[0]

        return put, False
    nodes = neighbours.import_neighbour(comfyui, "ComfyUI-AnimateDiff-Evolved", "animatediff.nodes_gen2")
    context = neighbours.import_neighbour(comfyui, "ComfyUI-AnimateDiff-Evolved", "animatediff.nodes_context")

    def put(model, length, overlap):
        options = context.StandardUniformContextOptionsNode().create_options(length, 1, overlap, fuse_method="flat")[0]
        node = nodes.UseEvolvedSamplingNode()
        return node.use_evolved_sampling(model, "use existing", context_options=options)[0]

    return put, request.param.endswith("first")


@pytest.mark.parametrize("length", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_masks_of_frames_in_windows(host, run, portraits, draw, window, name, length):
    """Without a motion model frames are pictures of their own: each as if it were drawn alone with its mask."""
    portrait, frames = portraits[name], 4  # as many as noise levels: else 0.3.64 cannot tell its step
    (put, is_first), person = window, make_person(host, portrait, (2, 7), frames)
    positive, negative = portrait.make_conditions()
    conditions = (hide_tokens(host, positive, (4, 12)), negative)
    whole = draw(apply(host, portrait, person), conditions, frames, run.SIGMAS)
    if is_first:
        windowed = apply(host, portrait, person, put(portrait.model, length, 1))
    else:
        windowed = put(apply(host, portrait, person), length, 1)
    assert relative(draw(windowed, conditions, frames, run.SIGMAS), whole) < 2e-3
    others = make_person(host, portrait, (7, 12), frames)
    assert relative(draw(apply(host, portrait, others), conditions, frames, run.SIGMAS), whole) > 1e-2
