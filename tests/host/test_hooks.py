"""A person as hooks: everything where a condition carries them, and exactly nothing where none does."""

import pytest
import torch

pytestmark = pytest.mark.host

LEFT, RIGHT = slice(0, 8), slice(8, 16)


@pytest.fixture(scope="module")
def couple(host, portrait):
    """A second person for the portrait's UNet; both as hooks, by name."""
    other = host.consistentid.identity.Identity(torch.zeros(257, 1280), torch.zeros(257, 1280), {})
    portrait.hosted._id_tokens[other] = host.consistentid.adapter.tokens.Pair(*portrait.id_tokens.flip(-1))
    return {"a": portrait.identity, "b": other}


@pytest.fixture
def hook(host, portrait, couple):
    def make(name="a", *args, **kwargs):
        return host.nodes.hooks.make_hooks(portrait.hosted, couple[name], *args, **kwargs)

    return make


def make_mask(columns: slice) -> torch.Tensor:
    mask = torch.zeros(1, 128, 128)
    mask[:, :, columns.start * 8 : columns.stop * 8] = 1
    return mask


def set_props(conditions, hooks, columns=None):
    from comfy_extras.nodes_hooks import PairConditioningSetProperties

    mask = None if columns is None else make_mask(columns)
    return PairConditioningSetProperties().set_properties(*conditions, 1.0, "default", mask=mask, hooks=hooks)


def combine(*pairs, rest):
    """Conditions of several places, and those for the rest of the picture."""
    from comfy_extras.nodes_hooks import PairConditioningCombine, PairConditioningSetDefaultAndCombine

    both = pairs[0]
    for pair in pairs[1:]:
        both = PairConditioningCombine().combine(*both, *pair)
    return PairConditioningSetDefaultAndCombine().set_default_and_combine(*both, *rest)


def make_rest(run):
    return [[run.tell(3.0, 9), {}]], [[run.tell(-3.0, 8), {}]]


@pytest.fixture
def predict(run, monkeypatch):
    """What each part of the guidance predicts at one evaluation, positive and negative, before they are combined."""
    import comfy.samplers

    def evaluate(model, conditions, sigma=3.0):
        caught = []
        combine_parts = comfy.samplers.cfg_function

        def catch(model, positive, negative, *args, **kwargs):
            caught.append(torch.stack([positive, negative]).clone())
            return combine_parts(model, positive, negative, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(comfy.samplers, "cfg_function", catch)
            run.sample(model, conditions, sigmas=torch.tensor([sigma, 0.0]))
        return caught[0]

    return evaluate


def test_as_in_the_whole_picture_inside_and_the_plain_model_outside(portrait, run, hook, predict):
    model, rest = portrait.model, make_rest(run)
    plain = predict(model, rest)
    whole = predict(portrait.apply(), portrait.make_conditions())
    here = set_props(portrait.make_conditions(), hook(), LEFT)
    both = predict(model, combine(here, rest=rest))
    assert torch.equal(both[..., RIGHT], plain[..., RIGHT])
    assert run.differ(both[..., LEFT], whole[..., LEFT]) < 1e-5
    assert run.differ(both[..., LEFT], plain[..., LEFT]) > 1e-2


def test_two_people_each_in_their_place(portrait, run, hook, predict):
    model, rest = portrait.model, make_rest(run)
    places = {"a": slice(0, 5), "b": slice(10, 16)}
    pairs = [set_props(portrait.make_conditions(), hook(name), columns) for name, columns in places.items()]
    both = predict(model, combine(*pairs, rest=rest))
    alone = {name: predict(model, set_props(portrait.make_conditions(), hook(name))) for name in places}
    for name, columns in places.items():
        assert run.differ(both[..., columns], alone[name][..., columns]) < 1e-5
    assert torch.equal(both[..., 5:10], predict(model, rest)[..., 5:10])
    assert run.differ(alone["a"], alone["b"]) > 1e-2


def test_a_run_is_that_of_apply(portrait, run, hook):
    """With the merge point: hooks bring it along. Afterwards the MODEL is as it was."""
    plain = run.sample(portrait.twin, portrait.make_plain_conditions())
    hooked = run.sample(portrait.model, set_props(portrait.make_conditions(), hook("a", 0.8, 0.9)))
    assert run.differ(hooked, run.sample(portrait.apply(None, 0.8, 0.9), portrait.make_conditions())) < 1e-4
    assert torch.equal(run.sample(portrait.model, portrait.make_plain_conditions()), plain)


@pytest.fixture
def compare(portrait, run, predict):
    """The prediction with hooks, after comparing it with that of a MODEL."""

    def evaluate(hooks, expected, model=None):
        hooked = predict(model or portrait.model, set_props(portrait.make_conditions(), hooks))
        assert run.differ(hooked, predict(expected, portrait.make_conditions())) < 1e-4
        return hooked

    return evaluate


def test_sdxl_in_half_a_picture(host, tiny, run, predict):
    portrait = run.Portrait(host, tiny, "sdxl")
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, portrait.identity)
    conditions, rest = portrait.make_conditions(), portrait.make_plain_conditions()
    both = predict(portrait.model, combine(set_props(conditions, hooks, LEFT), rest=rest))
    whole = predict(portrait.apply(), conditions)
    assert torch.equal(both[..., RIGHT], predict(portrait.model, rest)[..., RIGHT])
    assert run.differ(both[..., LEFT], whole[..., LEFT]) < 1e-5


def test_two_people_in_one_hook(host, portrait, run, couple, predict):
    """Each inside a mask of their own, and both in one condition: one more evaluation, not two."""
    person, mask = host.nodes.people.Person, host.consistentid.adapter.masks.AttentionMask
    places = {"a": slice(0, 5), "b": slice(10, 16)}
    people = tuple(person(couple[name], mask(make_mask(columns))) for name, columns in places.items())
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, people)
    expected = host.nodes.model.patching.apply_adapter(portrait.model, portrait.hosted, people)
    conditions, rest = portrait.make_conditions(), make_rest(run)
    both = predict(portrait.model, combine(set_props(conditions, hooks, LEFT), rest=rest))
    assert run.differ(both[..., LEFT], predict(expected, conditions)[..., LEFT]) < 1e-5
    assert torch.equal(both[..., RIGHT], predict(portrait.model, rest)[..., RIGHT])


@pytest.mark.parametrize("way", ["second hook", "on the model"])
def test_beside_the_other_person_in_the_same_place(host, portrait, couple, hook, compare, way):
    """Both are added; the low-rank weights, which they share, are there once."""
    other = host.nodes.model.patching.apply_adapter(portrait.model, portrait.hosted, couple["b"])
    if way == "second hook":
        compare(hook("a").clone_and_combine(hook("b")), portrait.apply(other))
    else:
        compare(hook("a"), portrait.apply(other), model=other)


def test_a_patch_of_the_model_stays(portrait, run, hook, compare, predict):
    """Another pack's attention, there before, is called and added to."""
    from comfy.ldm.modules.attention import optimized_attention

    patched = portrait.model.clone()
    patched.set_model_attn2_replace(lambda q, k, v, o: 0.5 * optimized_attention(q, k, v, o["n_heads"]), "input", 4)
    both = compare(hook("a"), portrait.apply(patched), model=patched)
    assert run.differ(both, predict(portrait.apply(), portrait.make_conditions())) > 1e-3


@pytest.mark.parametrize("first", ["person", "lora"])
def test_beside_a_lora_hook(host, portrait, run, hook, couple, compare, predict, first):
    import comfy.hooks
    from comfy.weight_adapter import LoRAAdapter

    key = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    generator = torch.Generator().manual_seed(9)
    up, down = torch.randn(32, 4, generator=generator), torch.randn(4, 32, generator=generator)
    patches = {key: LoRAAdapter(set(), (up, down, None, None, None, None))}
    changed = portrait.apply()
    changed.add_patches(patches, 0.6)
    lora = comfy.hooks.HookGroup()
    lora.add(comfy.hooks.WeightHook(strength_model=0.6))
    lora.hooks[0].weights, lora.hooks[0].need_weight_init = patches, False
    if first == "lora":
        values = {"weight": 1.0, "lora_weight": 1.0, "prev_hooks": lora}
        hooks = host.nodes.hooks.HookIdentity.execute(portrait.hosted, couple["a"], **values).result[0]
    else:
        hooks = hook("a").clone_and_combine(lora)
    both = compare(hooks, changed)
    assert run.differ(both, predict(portrait.apply(), portrait.make_conditions())) > 1e-3


def test_strength_of_keyframes(portrait, hook, compare):
    """Of the low-rank weights and of the ID tokens."""
    from comfy_extras.nodes_hooks import CreateHookKeyframe, SetHookKeyframes

    frames = CreateHookKeyframe().create_hook_keyframe(0.5, 0.0)[0]
    hooks = SetHookKeyframes().set_hook_keyframes(hook("a"), frames)[0]
    compare(hooks, portrait.apply(None, 0.5, 0.5))


@pytest.mark.parametrize("call", [1, 2])
def test_an_interrupt_leaves_no_trace(portrait, tiny, run, hook, call):
    """In the evaluation with the person, and in the one without."""
    import comfy.model_management as management

    conditions = combine(set_props(portrait.make_conditions(), hook(), LEFT), rest=make_rest(run))
    model, calls = tiny.make_model(), []
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    options = str(model.model_options)
    expected = run.sample(model, conditions, sigmas=run.SIGMAS[2:])

    def fail(*_):
        calls.append(1)
        if len(calls) == call:
            raise management.InterruptProcessingException()

    handle = model.model.diffusion_model.middle_block[1].register_forward_pre_hook(fail)
    with pytest.raises(management.InterruptProcessingException):
        run.sample(model, conditions, sigmas=run.SIGMAS[2:])
    handle.remove()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.model.state_dict().items())
    assert str(model.model_options) == options and not model.hook_patches and not model.wrappers
    assert torch.equal(run.sample(model, conditions, sigmas=run.SIGMAS[2:]), expected)


def test_an_adapter_for_another_model(host, portrait, tiny, run, hook):
    conditions = set_props(portrait.make_conditions(), hook())
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"SD1\.5.*SDXL"):
        run.sample(tiny.make_model("sdxl"), conditions)


def test_a_clip_keeps_its_weights(checkpoint, portrait, hook, compare):
    """'Set CLIP Hooks' is a way to bring hooks to conditions; text encoders have nothing to do with them."""
    from comfy_extras.nodes_hooks import SetClipHooks

    _, clip, _ = checkpoint
    hooked = SetClipHooks().apply_hooks(clip, False, True, hook())[0]
    tokens = clip.tokenize("a portrait")
    ((text, extra),) = hooked.encode_from_tokens_scheduled(tokens)
    ((expected, _),) = clip.encode_from_tokens_scheduled(tokens)
    assert torch.equal(text, expected)
    compare(extra["hooks"], portrait.apply())


def test_one_person_for_two_models(portrait, tiny, run, hook):
    """Two samplers with the same hooks, in turns; each MODEL is left without them."""
    conditions, other = set_props(portrait.make_conditions(), hook()), tiny.make_model()
    other.model.diffusion_model.out[2].bias.add_(0.1)
    models = (portrait.model, other, portrait.model, other.clone())
    first, second, *again = (run.sample(model, conditions, cfg=1.0) for model in models)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert run.differ(second, run.sample(portrait.apply(other), portrait.make_conditions(), cfg=1.0)) < 1e-4
    assert run.differ(first, second) > 1e-2
    assert not any(model.hook_patches or model.cached_hook_patches for model in models)


def test_the_sampler_with_the_merge_step(host, portrait, run, hook):
    sample, end = host.nodes.sampler.SamplePortrait.execute, ({"samples": torch.zeros(1, 4, 16, 16)}, 1.0)
    hooked = set_props(portrait.make_conditions(), hook())
    pictures = [
        sample(model, 7, 3, 5.0, "euler", "normal", step, *conditions, *end).result[0]["samples"]
        for model, conditions, step in (
            (portrait.model, hooked, 0),
            (portrait.apply(), portrait.make_conditions(), 0),
            (portrait.model, hooked, 2),
        )
    ]
    assert run.differ(*pictures[:2]) < 1e-4
    assert run.differ(pictures[0], pictures[2]) > 1e-3


def test_words_stay_in_their_mask(host, portrait, run, couple, predict):
    """Words masked out everywhere count as if they were not there, in the attention that hooks bring along too."""
    masks, key = host.consistentid.adapter.masks, host.nodes.model.rows.TOKEN_MASKS
    people = (host.nodes.people.Person(couple["a"], masks.AttentionMask(make_mask(LEFT))),)
    hooks = host.nodes.hooks.make_hooks(portrait.hosted, people)
    positive, negative = portrait.make_plain_conditions()
    changed = positive[0][0].clone()
    changed[:, 3:40] = 9.0
    nowhere = masks.TokenMask(torch.arange(3, 40), 77, masks.AttentionMask(torch.zeros(1, 16, 16)))

    def draw(text, values):
        return predict(portrait.model, set_props(([[text, values]], negative), hooks))

    hidden = [draw(text, {key: [nowhere]}) for text in (positive[0][0], changed)]
    assert run.differ(*hidden) < 1e-4
    assert run.differ(draw(positive[0][0], {}), draw(changed, {})) > 1e-2
