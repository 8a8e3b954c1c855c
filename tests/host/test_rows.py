"""Rows of a batch through other people's functions, and what is said where they are lost."""

import pytest
import torch

pytestmark = pytest.mark.host


def lengthen(q, k, v, options):
    """Each row twice, the second time with another text, as regions of a prompt are drawn."""
    first, second = q.chunk(2)
    other = torch.ones_like(k[:1])
    return (
        torch.cat([first, first.repeat(2, 1, 1), second]),
        torch.cat([k[:1], k[:1] * 2, other, k[1:]]),
        torch.cat([v[:1], v[:1], other, v[1:]]),
    )


def reverse(q, k, v, options):
    return q.flip(0).contiguous(), torch.stack([k[1], k[0]]), v.flip(0)


def index(q, k, v, options):
    rows = torch.tensor([1, 1, 0])
    return q[rows], k.index_select(0, rows).half(), v[rows]


def copy(q, k, v, options):
    return torch.from_numpy(q.numpy().repeat(2, axis=0)), k.repeat_interleave(2, dim=0), v.repeat_interleave(2, dim=0)


def rearrange(q, k, v, options):
    import einops

    return einops.repeat(q, "b n c -> (r b) n c", r=2), k.repeat(2, 1, 1).view(4, 77, 8), v.repeat(2, 1, 1)


def write(q, k, v, options):
    swapped, other = q.new_empty(q.shape), k.clone()
    swapped[0], swapped[1] = q[1], q[0]
    other[:] = torch.ones_like(k)
    return swapped, other, v


def change(q, k, v, options):
    return q + 1, k[:, ::2] * v[:, :39], v


@pytest.mark.parametrize(
    ("function", "query", "text"),
    [
        (lengthen, (0, 0, 0, 1), (0, 0, -1, 1)),
        (reverse, (1, 0), (1, 0)),
        (index, (1, 1, 0), (1, 1, 0)),
        (copy, None, (0, 0, 1, 1)),
        (change, (0, 1), (0, 1)),
        (rearrange, (0, 1, 0, 1), (0, 1, 0, 1)),
        (write, None, None),
    ],
)
def test_rows_are_followed(host, function, query, text):
    trace, options = host.nodes.model.row_trace, {}
    given = [torch.randn(2, *shape) for shape in ((9, 4), (77, 8), (77, 8))]
    plain = function(*given, {})
    for one in trace.trace_rows([function]):
        given = one(*given, options)
    assert options[trace.TRACE][:2] == (query, text)
    assert all(type(one) is torch.Tensor and torch.equal(one, other) for one, other in zip(given, plain, strict=True))


def test_two_functions_in_a_row(host):
    trace, options = host.nodes.model.row_trace, {}
    given = [torch.randn(2, 9, 4)] * 3
    for one in trace.trace_rows([reverse, lengthen]):
        given = one(*given, options)
    assert options[trace.TRACE][:2] == ((1, 1, 1, 0), (1, 1, -1, 0))


def test_rows_that_are_lost_are_refused(portrait, host, run):
    """By the name of who changed them, in number or in order."""
    conditions = portrait.make_conditions()
    for function, rows in ((copy, 4), (write, 2)):
        model = portrait.apply()
        model.set_model_attn2_patch(function)
        message = f"{rows} rows with {rows} texts, where the host has 2. Changed by {__name__}"
        with pytest.raises(host.consistentid.errors.ConsistentIDError, match=message):
            run.sample(model, conditions, sigmas=run.SIGMAS[2:])


def test_a_lost_text_is_refused_where_tokens_have_masks(portrait, host, run):
    positive, negative = portrait.make_conditions()
    model = portrait.apply()
    model.set_model_attn2_patch(lambda q, k, v, options: (q, torch.from_numpy(k.numpy() * 1), v))
    expected = run.sample(portrait.apply(), (positive, negative), sigmas=run.SIGMAS[2:])
    assert torch.equal(run.sample(model, (positive, negative), sigmas=run.SIGMAS[2:]), expected)
    mask = host.consistentid.adapter.masks.TokenMask(
        torch.tensor([3]), 77, host.consistentid.adapter.masks.AttentionMask(torch.ones(1, 8, 8))
    )
    masked = [[text, {**values, host.nodes.model.rows.TOKEN_MASKS: [mask]}] for text, values in positive]
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=f"texts that come from nowhere.*{__name__}"):
        run.sample(model, (masked, negative), sigmas=run.SIGMAS[2:])


def test_a_patch_around_ours_that_is_skipped_is_no_takeover(portrait, run):
    """EasyCache leaves evaluations of the UNet out, inside of what watches it."""
    from comfy.patcher_extension import WrappersMP

    model, conditions = portrait.apply(), portrait.make_conditions()
    expected = run.sample(model, conditions)
    patches = model.model_options["transformer_options"]["patches_replace"]["attn2"]
    calls = []

    def wrap(previous):
        return lambda q, k, v, options: previous(q, k, v, options)

    def skip(executor, x, *args, **kwargs):
        calls.append(1)
        return executor(x, *args, **kwargs) if len(calls) != 2 else x * 0

    patches.update({site: wrap(patch) for site, patch in patches.items()})
    assert torch.equal(run.sample(model, conditions), expected)
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "skip", skip)
    assert not torch.equal(run.sample(model, conditions), expected)
    assert len(calls) == 3


def test_nothing_of_a_run_stays_in_the_model(portrait, run):
    model = portrait.apply()
    before = set(model.model_options["transformer_options"])
    run.sample(model, portrait.make_conditions(), sigmas=run.SIGMAS[2:])
    assert set(model.model_options["transformer_options"]) == before


def test_images_nobody_numbers_cannot_have_masks_of_their_own(portrait, host, run):
    """Another node draws images by twos and does not say which; one mask for all serves it."""
    from comfy.patcher_extension import WrappersMP

    def draw_by_twos(executor, model, conds, x_in, timestep, model_options, *args, **kwargs):
        parts = [
            executor(model, conds, x, t, model_options, *args, **kwargs)
            for x, t in zip(x_in.split(2), timestep.split(2), strict=True)
        ]
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    def draw(masks):
        people = (host.nodes.people.Person(portrait.identity, host.consistentid.adapter.masks.AttentionMask(masks)),)
        model = host.nodes.model.patching.apply_adapter(portrait.model, portrait.hosted, people)
        whole = run.sample(model, conditions, latent=torch.zeros(4, 4, 16, 16), sigmas=run.SIGMAS[2:])
        wrappers = model.wrappers[WrappersMP.CALC_COND_BATCH]
        model.wrappers[WrappersMP.CALC_COND_BATCH] = {"by twos": [draw_by_twos], **wrappers}
        return whole, run.sample(model, conditions, latent=torch.zeros(4, 4, 16, 16), sigmas=run.SIGMAS[2:])

    conditions = portrait.make_conditions()
    masks = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(1))
    assert run.differ(*draw(masks[:1])) < 1e-4
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="There are 4 masks of a person"):
        draw(masks)
