"""Conditioning of this pack in other nodes: areas, masks, ControlNet, mixing; and other guiders."""

import pytest
import torch

pytestmark = pytest.mark.host


def compare(portrait, run, edit=lambda conditions: conditions, edit_plainly=None, **options):
    """A picture of edited conditioning, after comparing it with the plain way to draw the person."""
    both = run.sample(portrait.apply(), edit(portrait.make_conditions()), **options)
    plain = (edit_plainly or edit)(portrait.make_plain_conditions())
    assert run.differ(both, run.sample(portrait.apply_plainly(), plain, **options)) < 1e-3
    assert run.differ(both, run.sample(portrait.model, plain, **options)) > 1e-2, "the person has no effect"
    return both


@pytest.fixture(scope="module")
def alone(portrait, run):
    """The picture with nothing but this pack."""
    return run.sample(portrait.apply(), portrait.make_conditions())


@pytest.fixture
def seen(host, portrait, run, monkeypatch):
    return run.watch(host, monkeypatch, portrait.model)


def assert_only_positives_are_drawn(seen, texts):
    assert {text for text, _ in seen} == texts
    assert all(drawn == (text > 0) for text, drawn in seen)


def set_area(conditions):
    import nodes

    return nodes.ConditioningSetArea().append(conditions, 64, 128, 0, 64, 1.0)[0]


def set_area_percentage(conditions):
    import nodes

    return nodes.ConditioningSetAreaPercentage().append(conditions, 0.5, 1.0, 0.0, 0.0, 0.8)[0]


def set_mask(conditions, area="default"):
    import nodes

    mask = torch.zeros(1, 128, 128)
    mask[:, :, :72] = 1
    return nodes.ConditioningSetMask().append(conditions, mask, area, 0.9)[0]


def set_mask_bounds(conditions):
    return set_mask(conditions, "mask bounds")


@pytest.mark.parametrize("region", [set_area, set_area_percentage, set_mask, set_mask_bounds])
def test_regional_prompt(portrait, run, alone, seen, region, monkeypatch):
    """Ours in a region, another prompt for the whole picture; as much in one batch as the memory takes, or nothing.

    The negative is there for the same area in both stages; the host alone would put it into the first of them.
    """
    import nodes

    def edit(conditions):
        positive, negative = conditions
        rest = [[run.tell(3.0, 9), {}]]
        return nodes.ConditioningCombine().combine(region(positive), rest)[0], negative

    def edit_plainly(conditions):
        positive, negative = edit(conditions)
        return positive, negative if region is set_mask else negative + region(negative)

    both = compare(portrait, run, edit, edit_plainly)
    assert_only_positives_are_drawn(seen, {1.0, 2.0, 3.0, -1.0})
    assert run.differ(both, alone) > 1e-2
    monkeypatch.setattr(portrait.model.model, "memory_required", lambda *_, **__: 1e30)
    one_by_one = run.sample(portrait.apply(), edit(portrait.make_conditions()))
    assert run.differ(one_by_one, both) < 1e-3
    assert_only_positives_are_drawn(seen, {1.0, 2.0, 3.0, -1.0})


def test_region_of_the_negative(portrait, run, seen):
    """The host gives the positive a copy of its first text for the negative's area; it is a positive of both stages."""

    def edit(conditions):
        positive, negative = conditions
        return positive, [*set_area(negative), [run.tell(-2.0, 9), {}]]

    both = run.sample(portrait.apply(), edit(portrait.make_conditions()))
    assert_only_positives_are_drawn(seen, {1.0, 2.0, -1.0, -2.0})
    positive, negative = edit(portrait.make_plain_conditions())
    plain = run.sample(portrait.apply_plainly(), (positive + set_area(positive), negative))
    assert run.differ(both, plain) < 1e-3
    assert run.differ(both, run.sample(portrait.apply_plainly(), (positive, negative))) > 1e-3


@pytest.mark.parametrize("merge_at", [0.0, 0.5])
def test_an_area_has_a_negative_in_both_stages(host, portrait, run, merge_at):
    """Of either list, and where both switch at the merge point, as with SDXL."""
    rows, seen = host.nodes.model.rows.ROWS, set()
    split = host.nodes.text.conditioning.split_stages
    positive, negative = (split(*([[run.tell(sign * n, n), {}]] for n in (1, 2)), merge_at) for sign in (1, -1))

    def note(_, args, kwargs):
        options = kwargs["transformer_options"]
        stage = float(options["sigmas"][0]) < run.BORDER or merge_at == 0
        texts = kwargs["context"][:, 0, 0].tolist()
        seen.update((stage, text) for text, (_, area) in zip(texts, options[rows].places, strict=True) if area)

    handle = portrait.model.model.diffusion_model.register_forward_pre_hook(note, with_kwargs=True)
    for conditions in ((set_area(positive), negative), (positive, set_area(negative))):
        seen.clear()
        run.sample(portrait.apply(), conditions)
        assert seen == {(True, 2.0), (True, -2.0)} | ({(False, 1.0), (False, -1.0)} if merge_at else set())
    handle.remove()


def test_a_persons_mask_in_an_area(host, portrait, run, monkeypatch):
    """The mask means the whole picture; a layer that sees a part of it gets that part of the mask."""
    masks = host.consistentid.adapter.masks
    seen, fit = {}, masks.AttentionMask.fit

    def spy(self, grid, places, like):
        fitted = fit(self, grid, places, like)
        for (_, area), row in zip(places, fitted.unflatten(1, grid), strict=True):
            if min(grid) >= 4:
                seen.setdefault(area and area[1][3], []).append(row)
        return fitted

    monkeypatch.setattr(masks.AttentionMask, "fit", spy)
    import nodes

    picture = torch.zeros(1, 512, 512)
    picture[:, :, :256] = 1
    people = (host.nodes.people.Person(portrait.identity, masks.AttentionMask(picture)),)
    model = host.nodes.model.patching.apply_adapter(portrait.model, portrait.hosted, people)
    positive, negative = portrait.make_conditions()
    left, right = (nodes.ConditioningSetArea().append(positive, 64, 128, x, 0, 1.0)[0] for x in (0, 64))
    run.sample(model, (left + right, negative))
    assert all((fitted == 1).all() for fitted in seen[0])
    assert all((fitted == 0).all() for fitted in seen[8])
    assert all((fitted[:, :2] == 1).all() and (fitted[:, -2:] == 0).all() for fitted in seen[None])


@pytest.mark.parametrize("side", ["positive", "negative"])
def test_token_masks_stay_with_their_text(host, portrait, run, side):
    """In the host's copies too: the one of the negative has no tokens to mask, those of the positive have theirs."""
    masks, key = host.consistentid.adapter.masks, host.nodes.model.rows.TOKEN_MASKS
    half = masks.TokenMask(torch.tensor([3, 9]), 77, masks.AttentionMask(torch.ones(1, 16, 16)))
    positive, negative = portrait.make_conditions()
    for entry in positive:
        entry[1][key] = [half]
    conditions = (set_area(positive), negative) if side == "positive" else (positive, set_area(negative))
    seen = set()

    def note(_, args, kwargs):
        rows = kwargs["transformer_options"][host.nodes.model.rows.ROWS]
        texts = kwargs["context"][:, 0, 0].tolist()
        seen.update((text, bool(one.token_masks)) for text, one in zip(texts, rows.conditions, strict=True))

    handle = portrait.model.model.diffusion_model.register_forward_pre_hook(note, with_kwargs=True)
    run.sample(portrait.apply(), conditions)
    handle.remove()
    assert seen == {(1.0, True), (2.0, True), (-1.0, False)}


def concat(conditions, run):
    import nodes

    positive, negative = conditions
    return nodes.ConditioningConcat().concat(positive, [[run.tell(3.0, 9), {}]])[0], negative


def average(conditions, run):
    import nodes

    positive, negative = conditions
    return nodes.ConditioningAverage().addWeighted(positive, [[run.tell(3.0, 9), {}]], 0.6)[0], negative


def zero_out(conditions, run):
    import nodes

    positive, negative = conditions
    return positive, nodes.ConditioningZeroOut().zero_out(negative)[0]


@pytest.mark.parametrize(("mix", "texts"), [(concat, {1, 2, -1}), (average, {1.8, 2.4, -1}), (zero_out, {1, 2, 0})])
def test_mixed_conditioning(portrait, run, alone, seen, mix, texts):
    """Each stage is mixed; the merge point stays."""
    both = compare(portrait, run, lambda conditions: mix(conditions, run))
    assert {round(text, 4) for text, _ in seen} == texts
    assert all(drawn == (text > 0) for text, drawn in seen)
    assert run.differ(both, alone) > 1e-3


def test_text_behind_masked_tokens_is_not_masked(host, portrait, run):
    """ConditioningConcat: the mask of facial tokens is for their text, not for the one put behind it."""
    masks, key = host.consistentid.adapter.masks, host.nodes.model.rows.TOKEN_MASKS
    nowhere = masks.AttentionMask(torch.zeros(1, 16, 16))
    hidden = {key: [masks.TokenMask(torch.tensor([3, 9]), 77, nowhere)]}
    texts = [run.tell(1.0, seed) for seed in (1, 9)]

    def draw(changed):
        import nodes

        first, second = (text.clone() for text in texts)
        if changed is not None:
            (first, second)[changed][:, [3, 9]] = 9.0
        positive = nodes.ConditioningConcat().concat([[first, hidden]], [[second, {}]])[0]
        return run.sample(portrait.apply(), (positive, portrait.make_conditions()[1]))

    assert run.differ(draw(0), draw(None)) < 1e-4
    assert run.differ(draw(1), draw(None)) > 1e-3


@pytest.mark.parametrize("guider", ["basic", "cfg", "dual", "perp_neg"])
def test_guiders_of_the_custom_sampler(portrait, run, seen, guider):
    from comfy_extras import nodes_custom_sampler as custom
    from comfy_extras.nodes_perpneg import Guider_PerpNeg

    def draw(model, conditions):
        positive, negative = conditions
        other = [[run.tell(3.0, 9), {}]]
        if guider == "basic":
            made = custom.Guider_Basic(model)
            made.set_conds(positive)
        elif guider == "cfg":
            made = custom.comfy.samplers.CFGGuider(model)
            made.set_conds(positive, negative)
            made.set_cfg(4.0)
        elif guider == "dual":
            made = custom.Guider_DualCFG(model)
            made.set_conds(positive, other, negative)
            made.set_cfg(4.0, 2.0)
        else:
            made = Guider_PerpNeg(model)
            made.set_conds(positive, negative, [[run.tell(-3.0, 9), {}]])
            made.set_cfg(4.0, 1.0)
        euler = custom.comfy.samplers.sampler_object("euler")
        latent = {"samples": torch.zeros(1, 4, 16, 16)}
        sampler = custom.SamplerCustomAdvanced
        run_node = getattr(sampler, "execute", None) or sampler().sample
        result = run_node(custom.Noise_RandomNoise(5), made, euler, run.SIGMAS, latent)
        return getattr(result, "result", result)[0]["samples"]

    both = draw(portrait.apply(), portrait.make_conditions())
    plain = portrait.make_plain_conditions()
    assert run.differ(both, draw(portrait.apply_plainly(), plain)) < 1e-3
    assert run.differ(both, draw(portrait.model, plain)) > 1e-2
    texts = {"basic": set(), "cfg": {-1.0}, "dual": {3.0, -1.0}, "perp_neg": {-1.0, -3.0}}[guider]
    assert_only_positives_are_drawn(seen, {1.0, 2.0} | texts)


def test_cfg_1_skips_the_negative(portrait, run, seen):
    compare(portrait, run, cfg=1.0)
    assert_only_positives_are_drawn(seen, {1.0, 2.0})


@pytest.fixture(scope="module")
def control_net(host, tiny):
    import comfy.cldm.cldm
    import comfy.controlnet
    import comfy.ops
    import full_size

    layout = full_size.make_layout("sd15", torch.float32, model_channels=32)
    for name in ("out_channels", "transformer_depth_output"):
        layout.pop(name)
    operations = comfy.ops.disable_weight_init
    network = comfy.cldm.cldm.ControlNet(**layout, hint_channels=3, operations=operations)
    full_size.fill(network)
    return comfy.controlnet.ControlNet(network.eval(), load_device=torch.device("cpu"))


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.0, 0.5), (0.5, 1.0)], ids=["whole", "text", "facial"])
def test_control_net(portrait, run, alone, seen, control_net, start, end):
    """It acts before the merge point and after it, on our conditioning as on any."""
    import nodes

    hint = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(2))

    def edit(conditions):
        return nodes.ControlNetApplyAdvanced().apply_controlnet(*conditions, control_net, hint, 0.7, start, end)

    both = compare(portrait, run, edit)
    assert_only_positives_are_drawn(seen, {1.0, 2.0, -1.0})
    assert run.differ(both, alone) > 1e-3
