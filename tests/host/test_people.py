"""Masks, schedules and several people: where and when each person's tokens act."""

import pytest
import torch

pytestmark = pytest.mark.host

SIGMAS = torch.tensor([8.0, 3.0, 1.0, 0.5, 0.0])
LEFT, RIGHT = slice(0, 8), slice(8, 16)


@pytest.fixture
def couple(host, tiny):
    """A HostedAdapter for the tiny UNet, and two people."""
    first, second = (torch.randn(2, 4, 768, generator=torch.Generator().manual_seed(seed)) * 3 for seed in (3, 4))
    hosted, a = tiny.make_adapter(host, first)
    zeros = torch.zeros(257, 1280)
    b = host.consistentid.identity.Identity(zeros, zeros, {})
    second[1] = first[1]
    hosted._id_tokens[b] = host.consistentid.adapter.tokens.Pair(*second)
    return hosted, a, b


@pytest.fixture
def apply(host):
    return host.nodes.model.patching.apply_adapter


@pytest.fixture
def at(host):
    """A person in a part of the picture's width."""

    def make(identity, columns, size=(64, 64), weight=1.0):
        mask = torch.zeros(1, *size)
        mask[:, :, columns.start * size[1] // 16 : columns.stop * size[1] // 16] = 1
        return host.nodes.people.Person(identity, host.consistentid.adapter.masks.AttentionMask(mask), weight)

    return make


def make_conditions(**extra):
    generator = torch.Generator().manual_seed(0)
    return [[[torch.randn(1, 77, 768, generator=generator), dict(extra)]] for _ in range(2)]


def sample(model, conditions=None, sigmas=SIGMAS, batch=1, cfg=5.0):
    import comfy.sample
    import comfy.samplers

    positive, negative = conditions or make_conditions()
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(7)).repeat(batch, 1, 1, 1)
    euler = comfy.samplers.sampler_object("euler")
    return comfy.sample.sample_custom(
        model, noise, cfg, euler, sigmas, positive, negative, torch.zeros_like(noise), disable_pbar=True
    )


def differ(a, b) -> float:
    """Largest difference, relative to the largest value."""
    return float((a - b).abs().max() / b.abs().max())


@pytest.fixture
def record(host, monkeypatch):
    """What each attention patch adds for its person: [(patch, query grid, addition)]."""
    calls = []
    attention = host.nodes.model.attention
    add = attention.add_id_attention

    def spy(attended, query, id_kv, heads, scale):
        out = add(attended, query, id_kv, heads, scale)
        calls.append((id_kv[0].flatten()[0].item(), out - attended))
        return out

    monkeypatch.setattr(attention, "add_id_attention", spy)
    return calls


def test_a_person_acts_only_inside_the_mask(tiny, couple, apply, at, record):
    hosted, a, _ = couple
    sample(apply(tiny.make_model(), hosted, (at(a, LEFT),)))
    assert len(record) == 16 * 4
    for _, added in record:
        side = int(added.shape[1] ** 0.5)
        halves = added.unflatten(1, (side, side))
        if side >= 8:  # below, the blurred border of the mask is all there is
            assert halves[:, :, : side // 2 - 1].abs().max() > 1e-3
            assert halves[:, :, side // 2 + 2 :].abs().max() == 0


def test_full_mask_is_no_mask(host, tiny, couple, apply):
    hosted, a, _ = couple
    mask = host.consistentid.adapter.masks.AttentionMask(torch.ones(1, 33, 57))
    masked = sample(apply(tiny.make_model(), hosted, (host.nodes.people.Person(a, mask),)))
    assert differ(masked, sample(apply(tiny.make_model(), hosted, a))) < 1e-4


def test_empty_mask_leaves_the_low_rank_weights_alone(host, tiny, couple, apply):
    hosted, a, _ = couple
    mask = host.consistentid.adapter.masks.AttentionMask(torch.zeros(1, 16, 16))
    masked = sample(apply(tiny.make_model(), hosted, (host.nodes.people.Person(a, mask),)))
    assert differ(masked, sample(apply(tiny.make_model(), hosted, a, 0.0))) < 1e-4


def test_any_resolution_of_the_mask(tiny, couple, apply, at):
    hosted, a, _ = couple
    results = [sample(apply(tiny.make_model(), hosted, (at(a, LEFT, size),))) for size in ((16, 16), (1024, 512))]
    assert differ(*results) < 1e-4
    assert differ(results[0], sample(apply(tiny.make_model(), hosted, a))) > 0.1


def test_masks_of_a_batch_go_to_its_pictures(host, tiny, couple, apply, at):
    hosted, a, _ = couple
    left, right = at(a, LEFT), at(a, RIGHT)
    both = host.consistentid.adapter.masks.AttentionMask(torch.cat([left.mask.mask, right.mask.mask]))
    together = sample(apply(tiny.make_model(), hosted, (host.nodes.people.Person(a, both),)), batch=2)
    alone = [sample(apply(tiny.make_model(), hosted, (person,))) for person in (left, right)]
    assert differ(together, torch.cat(alone)) < 1e-4
    assert differ(*alone) > 0.1


def test_two_people_in_one_node_or_in_two(tiny, couple, apply, at):
    hosted, a, b = couple
    people = (at(a, LEFT), at(b, RIGHT))
    one_node = sample(apply(tiny.make_model(), hosted, people))
    chained = sample(apply(apply(tiny.make_model(), hosted, people[:1]), hosted, people[1:]))
    swapped = sample(apply(tiny.make_model(), hosted, people[::-1]))
    assert torch.equal(one_node, chained)
    assert differ(one_node, swapped) < 1e-4
    assert differ(one_node, sample(apply(tiny.make_model(), hosted, people[:1]))) > 0.1


def test_low_rank_weights_are_added_once(tiny, couple, apply):
    hosted, a, b = couple
    once, twice = tiny.make_model(), tiny.make_model()
    once = apply(once, hosted, a, 0.0, 1.0)
    twice = apply(apply(apply(twice, hosted, a, 0.0, 0.4), hosted, b, 0.0, 1.0), hosted, b, 0.0, 0.7)
    for model in (once, twice):
        model.patch_model()
    states = [model.model.state_dict() for model in (once, twice)]
    assert all(torch.allclose(states[0][key], states[1][key], atol=1e-5) for key in states[0])


def test_weight_of_a_person(tiny, couple, apply, at):
    hosted, a, _ = couple
    mine = sample(apply(tiny.make_model(), hosted, (at(a, LEFT, weight=0.5),), 0.8))
    assert differ(mine, sample(apply(tiny.make_model(), hosted, (at(a, LEFT),), 0.4))) < 1e-4
    assert differ(mine, sample(apply(tiny.make_model(), hosted, (at(a, LEFT),), 0.8))) > 1e-2


def test_schedule_over_the_steps(host, tiny, couple, apply, record):
    hosted, a, _ = couple
    schedule = host.consistentid.adapter.schedule.Schedule(start=0.25, end=0.75)
    sample(apply(tiny.make_model(), hosted, a, schedule=schedule))
    assert len(record) == 16 * 2
    record.clear()
    sample(apply(tiny.make_model(), hosted, a, schedule=schedule), sigmas=SIGMAS[2:])
    assert len(record) == 16, "a run that starts late has its own steps"


def test_fitted_masks_do_not_pile_up(host):
    mask = host.consistentid.adapter.masks.AttentionMask(torch.rand(1, 64, 64))
    for side in range(1, 600):
        assert mask.fit((side, 1), ((0, None),), torch.zeros(1)).shape == (1, side, 1)
    assert len(mask._fitted) <= 256


def test_easing_changes_the_weight(host, tiny, couple, apply):
    hosted, a, _ = couple
    make = host.consistentid.adapter.schedule.Schedule
    plain, eased = (sample(apply(tiny.make_model(), hosted, a, schedule=s)) for s in (make(), make(easing="ease in")))
    assert differ(plain, eased) > 1e-2
    assert torch.equal(plain, sample(apply(tiny.make_model(), hosted, a)))


def test_layer_groups(host, tiny, couple, apply, record):
    hosted, a, _ = couple
    make = host.consistentid.adapter.schedule.Schedule
    counts = {}
    for group in ("composition", "structure", "detail"):
        others = {name: 0.0 for name in ("composition", "structure", "detail") if name != group}
        record.clear()
        sample(apply(tiny.make_model(), hosted, a, schedule=make(**others)))
        counts[group] = len(record) // 4
    assert counts == {"composition": 6, "structure": 5, "detail": 5}


def test_person_to_avoid(tiny, couple, apply, record):
    """Where nobody stood in the negative, the person to avoid does."""
    hosted, a, b = couple
    avoiding = sample(apply(tiny.make_model(), hosted, a, avoid=b))
    assert differ(avoiding, sample(apply(tiny.make_model(), hosted, a))) > 1e-2
    positive, _ = make_conditions()
    same = (positive, positive)
    mirrored = sample(apply(tiny.make_model(), hosted, a, avoid=a), same, cfg=5.0)
    assert differ(mirrored, sample(apply(tiny.make_model(), hosted, a), same, cfg=1.0)) < 1e-4


def test_facial_tokens_act_only_inside_their_mask(host, tiny, couple, apply, at):
    """Changing a masked token changes nothing outside the mask in the attention, and nothing at all without it."""
    from comfy.ldm.modules.attention import optimized_attention

    _, a, _ = couple
    masks, attention = host.consistentid.adapter.masks, host.nodes.model.attention
    generator = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(4, n, 32, generator=generator) for n in (64, 154, 154))
    other = (key.clone(), value.clone())
    for tensor in other:
        tensor[:, [5, 82]] += 3
    token_mask = masks.TokenMask(torch.tensor([5]), 77, at(a, LEFT).mask)
    conditions = [
        host.nodes.model.rows.Condition(is_negative, (token_mask,)) for is_negative in (True, True, False, False)
    ]
    rows = host.nodes.model.rows.Rows(tuple(conditions), lambda: ((0, None), (1, None)) * 2)
    options = {
        "n_heads": 4,
        host.nodes.model.rows.ROWS: rows,
        "activations_shape": [4, 32, 8, 8],
        "sigmas": torch.ones(4),
    }
    keys = attention.IDKeyValue(torch.zeros(2, 4, 32), torch.zeros(2, 4, 32), torch.float32)
    longer = [torch.cat([tensor, tensor[:, :3]], dim=1) for tensor in (key, value)]
    attention.IDAttentionPatch(keys, None, 0.0, None)(query, *longer, dict(options))  # 157 tokens, not two texts
    for previous in (None, lambda q, k, v, _: optimized_attention(q, k, v, 4) + 1):
        patch = attention.IDAttentionPatch(keys, None, 0.0, previous)
        one, two = (patch(query, *pair, dict(options)).unflatten(1, (8, 8)) for pair in ((key, value), other))
        assert torch.allclose(one[:, :, 6:], two[:, :, 6:], atol=1e-5)
        assert not torch.allclose(one[:, :, :3], two[:, :, :3], atol=1e-2)
        keep = [index for index in range(154) if index not in (5, 82)]
        without = optimized_attention(query, key[:, keep], value[:, keep], 4) + (0 if previous is None else 1)
        assert torch.allclose(one[:, :, 6:], without.unflatten(1, (8, 8))[:, :, 6:], atol=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_token_masks_reach_the_model(host, tiny, couple, apply, at, monkeypatch, weight):
    """In a whole run: tokens masked out everywhere count as if their words were not there, without ID tokens too."""
    hosted, a, _ = couple
    masks, key = host.consistentid.adapter.masks, host.nodes.model.rows.TOKEN_MASKS
    nowhere = masks.AttentionMask(torch.zeros(1, 16, 16))
    positive, negative = make_conditions()
    changed = [[positive[0][0].clone(), {}]]
    changed[0][0][:, [3, 9]] = 9.0
    hidden = {key: [masks.TokenMask(torch.tensor([3, 9]), 77, nowhere)]}
    model = apply(tiny.make_model(), hosted, (at(a, LEFT),), weight)
    built, build = [], masks.build_bias
    monkeypatch.setattr(masks, "build_bias", lambda *args: built.append(1) or build(*args))
    results = [sample(model, ([[text[0][0], hidden]], negative)) for text in (positive, changed)]
    assert differ(*results) < 1e-4
    assert len(built) == 2 * 4, "built once for each run and size of the layers"
    assert differ(sample(model, (positive, negative)), sample(model, (changed, negative))) > 1e-2


def test_masks_and_latents_that_hold_no_numbers(host):
    mask, latent = torch.ones(1, 8, 8), torch.zeros(1, 4, 8, 8)
    mask[0, 3, 3] = latent[0, 1, 2, 2] = float("nan")
    error = host.consistentid.errors.ConsistentIDError
    with pytest.raises(error, match="mask holds values that are no numbers"):
        host.consistentid.adapter.masks.AttentionMask(mask)
    with pytest.raises(error, match="would be a black picture"):
        host.nodes.sampler.check_latent(latent)
    host.nodes.sampler.check_latent(torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize("node, values", [("ApplyAdapter", {"weight": float("nan")}), ("Sampler", {"cfg": 1e999})])
def test_numbers_of_nodes_that_are_none(host, node, values):
    (schema,) = (cls for cls in host.NODES if cls.define_schema().node_id == f"ConsistentID_{node}")
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=rf"{next(iter(values))} is (nan|inf)"):
        host.nodes.boundary.guard.check_inputs(schema, values)


@pytest.mark.parametrize("name", ["InterruptProcessingException", "OOM_EXCEPTION"])
def test_what_the_host_knows_by_its_type_is_left_alone(host, name, monkeypatch):
    """Also where its log takes no word of it: Cancel would be shown as a failure."""
    import comfy.model_management

    kind = getattr(comfy.model_management, name)

    def draw(cls):
        raise kind("\ud83d")

    monkeypatch.setattr(host.nodes.boundary.guard, "check_inputs", lambda node, inputs: None)
    draw.__name__ = "execute"
    with pytest.raises(kind):
        host.nodes.boundary.guard._guard_method(draw)(object)
