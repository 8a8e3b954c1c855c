"""Several photos of one person, people between two others, strengths of regions: numbers worked out by hand."""

import copy
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from consistentid.adapter.facial_encoder import FacialEncoder, FuseModule
from consistentid.errors import ConsistentIDError, IncompatibleModelError
from consistentid.face.region_words import REGION_WORDS
from consistentid.identity import Identity
from consistentid.identity.combination import METHODS, combine_identities, compare_embeddings
from consistentid.identity.file import load_identity, save_identity
from consistentid.identity.mixing import adjust_regions, interpolate_sphere, mix_identities
from consistentid.presets import PRESETS
from consistentid.prompt.mark import WORDS

ZERO = torch.linspace(-1, 1, 257 * 1280).reshape(257, 1280)
FIVE = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")


def embed(**axes) -> torch.Tensor:
    """A unit embedding with the given coordinates: embed(x=1), embed(x=3, y=4), ..."""
    embedding = torch.zeros(512)
    for name, value in axes.items():
        embedding["xyzw".index(name)] = value
    return normalize(embedding, dim=0)


def make(value: float = 0.0, regions=FIVE, seed: int | None = None, **others) -> Identity:
    """A person whose features are all `value`, or random ones."""
    generator = torch.Generator().manual_seed(seed or 0)

    def draw():
        return torch.full((257, 1280), value) if seed is None else torch.randn(257, 1280, generator=generator)

    others = {"id_embedding": normalize(torch.randn(512, generator=generator), dim=0)} | others
    return Identity(draw(), ZERO, {key: draw() for key in regions}, **others)


def assert_close(found: Identity, expected: Identity, atol=1e-6):
    assert found.regions == expected.regions
    for name in ("photo_features", "zero_features", "id_embedding"):
        one, two = getattr(found, name), getattr(expected, name)
        assert (one is None and two is None) or torch.allclose(one, two, atol=atol), name
    for key in expected.regions:
        assert torch.allclose(found.region_features[key], expected.region_features[key], atol=atol)
        assert found.strengths.get(key, 1) == pytest.approx(expected.strengths.get(key, 1))
    assert found.quality == pytest.approx(expected.quality) and found.caption == expected.caption


@pytest.fixture
def untouched():
    """Identities that must be as they were when the test is over."""
    kept = []

    def keep(*identities):
        kept.extend((identity, copy.deepcopy(identity)) for identity in identities)
        return list(identities)

    yield keep
    for identity, before in kept:
        assert_close(identity, before, atol=0)
        for field in fields(Identity):
            old, new = getattr(before, field.name), getattr(identity, field.name)
            assert type(old) is type(new)
            if isinstance(old, str | float | tuple):
                assert old == new


def test_mean_of_photos(untouched):
    photos = untouched(
        make(1.0, id_embedding=embed(x=1), sources=("a",), quality=0.2, caption="second"),
        make(2.0, id_embedding=embed(x=3, y=4), sources=("b", "a"), quality=0.9),
        make(6.0, id_embedding=embed(x=3, z=4), sources=("c",), quality=0.1, caption="third"),
    )
    person, report = combine_identities(photos)
    assert torch.allclose(person.photo_features, torch.tensor(3.0))
    assert all(torch.allclose(features, torch.tensor(3.0)) for features in person.region_features.values())
    expected = np.array([(1 + 0.6 + 0.6) / 3, 0.8 / 3, 0.8 / 3])
    assert np.allclose(person.id_embedding[:3], expected / np.linalg.norm(expected), atol=1e-6)
    assert person.quality == pytest.approx(0.4) and person.caption == "second", "of the best that has one"
    assert set(person.sources) == {"a", "b", "c"} and len(person.sources) == 3
    assert report.startswith("3 of 3") and "Warning" not in report and "cosine 0.60 to identity 1" in report


def test_own_weights_are_relative(untouched):
    photos = untouched(make(1.0, id_embedding=embed(x=1)), make(2.0, id_embedding=embed(x=3, y=4)))
    person, report = combine_identities(photos, weights=[1, 0.25])
    assert torch.allclose(person.photo_features, torch.tensor(1.2))
    expected = np.array([0.8 + 0.2 * 0.6, 0.2 * 0.8])
    assert np.allclose(person.id_embedding[:2], expected / np.linalg.norm(expected), atol=1e-6)
    assert_close(combine_identities(photos, weights=[4, 1])[0], person)
    assert "weight 0.80" in report and "weight 0.20" in report
    assert combine_identities(photos, "best", weights=[0, 3])[0] is photos[1], "own weights win over the method"


def test_weighted_by_quality_and_best(untouched):
    same = embed(x=1)
    photos = untouched(
        *(make(v, id_embedding=same, quality=q) for v, q in [(1.0, 0.25), (3.0, 0.75), (9.0, 0.0), (5.0, 0.75)])
    )
    weighted, _ = combine_identities(photos, "weighted by quality")
    assert torch.allclose(weighted.photo_features, torch.tensor((0.25 + 2.25 + 3.75) / 1.75))
    assert combine_identities(photos, "best")[0] is photos[1]
    unknown = [replace(photo, quality=0.0) for photo in photos]
    assert torch.allclose(combine_identities(unknown, "weighted by quality")[0].photo_features, torch.tensor(4.5))
    assert combine_identities(unknown, "best")[0] is unknown[0]


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_one_photo_are_that_photo(method, untouched):
    [photo] = untouched(make(seed=3, quality=0.4, caption="c", strengths={"Nose": 0.3}))
    for count in (1, 2, 3, 7):
        assert_close(combine_identities([photo] * count, method)[0], photo)
    assert combine_identities([photo], method)[0] is photo


@pytest.mark.parametrize("seed", range(5))
def test_order_of_photos_does_not_matter(seed):
    numbers = np.random.default_rng(seed)
    axes = numbers.normal(size=(5, 512)) * 0.02 + np.eye(512)[0]
    photos = [
        make(seed=10 + i, quality=float(q), id_embedding=normalize(torch.tensor(axes[i], dtype=torch.float32), dim=0))
        for i, q in enumerate(numbers.random(5))
    ]
    shuffled = [photos[i] for i in numbers.permutation(5)]
    for method in METHODS:
        person = combine_identities(photos, method)[0]
        assert_close(combine_identities(shuffled, method)[0], person, atol=1e-5)
        assert float(person.id_embedding.norm()) == pytest.approx(1)


def test_regions_are_those_that_some_photo_shows():
    same = {"id_embedding": None}
    photos = [
        make(1.0, ("Left_Eye", "Nose"), **same),
        make(2.0, ("Face", "Right_Eye"), **same, strengths={"Right_Eye": 0.5}),
        make(4.0, ("Face", "Right_Eye", "Hair"), **same),
    ]
    person, report = combine_identities(photos)
    assert person.regions == ("Face", "Right_Eye", "Nose", "Hair"), "one key per word, the one more photos have"
    values = {key: float(features[0, 0]) for key, features in person.region_features.items()}
    assert values == pytest.approx({"Face": 3.0, "Right_Eye": 3.0, "Nose": 1.0, "Hair": 4.0})
    assert person.strengths["Right_Eye"] == pytest.approx(0.75)
    assert person.id_embedding is None and report.count("no ID embedding") == 3
    assert combine_identities(photos, weights=[3, 1, 1])[0].regions == ("Face", "Left_Eye", "Nose", "Hair")


def test_photos_without_embedding_count_for_features_only():
    photos = [make(1.0, id_embedding=embed(y=1)), make(3.0, id_embedding=None)]
    person, _ = combine_identities(photos, weights=[1, 3])
    assert torch.equal(person.id_embedding, embed(y=1))
    assert torch.allclose(person.photo_features, torch.tensor(2.5))


def test_another_person_is_left_out(untouched):
    mine = [make(1.0, id_embedding=embed(x=1, **{axis: 0.3})) for axis in "yz"] + [make(1.0, id_embedding=embed(x=1))]
    other = make(100.0, id_embedding=embed(x=0.1, w=1), quality=1.0)
    photos = untouched(mine[0], other, mine[1], mine[2])
    for method in METHODS:
        person, report = combine_identities(photos, method)
        assert torch.allclose(person.photo_features, torch.tensor(1.0))
        line = report.splitlines()[2]
        assert line.startswith("Identity 2: weight 0.00") and "cosine 0.10 to identity 4, below 0.35: left out" in line
        assert report.count("left out") == 1 and "Warning" not in report
    assert torch.allclose(combine_identities(photos, outlier_below=-1)[0].photo_features, torch.tensor(103 / 4))
    with pytest.raises(ConsistentIDError, match=r"No weight is left of \[0, 1, 0, 0\]; left out as another person: 1"):
        combine_identities(photos, weights=[0, 1, 0, 0])


def test_the_threshold_keeps_the_person_and_not_a_stranger_who_is_somewhat_alike():
    """Photos of one person are above 0.49 as a rule, strangers below 0.26; an older workflow's 0.25 still counts."""
    photos = [make(id_embedding=embed(x=1))] * 3
    for cosine, older, usual in ((0.45, 4, 4), (0.3, 4, 3), (0.2, 3, 3)):
        one_more = [*photos, make(id_embedding=embed(x=cosine, y=math.sqrt(1 - cosine**2)))]
        assert combine_identities(one_more, outlier_below=0.25)[1].startswith(f"{older} of 4")
        assert combine_identities(one_more)[1].startswith(f"{usual} of 4")


def test_two_of_another_person_do_not_win_against_three():
    mine = [make(1.0, id_embedding=embed(x=1, y=0.8, z=s)) for s in (0.5, -0.5, 0.1)]
    others = [make(9.0, id_embedding=embed(w=1))] * 2
    person, report = combine_identities([others[0], mine[0], mine[1], others[1], mine[2]])
    assert torch.allclose(person.photo_features, torch.tensor(1.0)) and report.startswith("3 of 5")


def test_two_that_disagree_are_kept_with_a_warning():
    photos = [make(1.0, id_embedding=embed(x=1)), make(3.0, id_embedding=embed(y=1)), make(2.0, id_embedding=None)]
    person, report = combine_identities(photos)
    assert torch.allclose(person.photo_features, torch.tensor(2.0)) and report.startswith("3 of 3")
    assert "Warning" in report and "several people" in report
    assert np.allclose(person.id_embedding[:2], math.sqrt(0.5))
    assert "Warning" not in combine_identities(photos, outlier_below=0.0)[1]


@pytest.mark.parametrize("axes", ["xyz", "xxyy", "xxyz", "xyzw"])
def test_without_a_majority_nobody_is_left_out(axes):
    """Who is the person, and who the stranger, is then open."""
    photos = [make(float(number), id_embedding=embed(**{axis: 1})) for number, axis in enumerate(axes)]
    person, report = combine_identities(photos)
    assert torch.allclose(person.photo_features, torch.tensor((len(axes) - 1) / 2)) and "Warning" in report


def test_a_threshold_that_nobody_reaches(untouched):
    photos = untouched(*(make(id_embedding=embed(x=1, y=y)) for y in (0.1, 0.2, 0.3)))
    assert combine_identities(photos, outlier_below=1.0)[1].startswith("3 of 3")


def test_features_of_another_encoder():
    """Zero pixels give the same features to one encoder, whatever its precision."""
    zero = torch.ones(257, 1280)
    known, near, far = (replace(make(), zero_features=zero * (1 + share)) for share in (0, 0.09, 0.11))
    combine_identities([known, near])
    with pytest.raises(IncompatibleModelError, match="another CLIP_VISION"):
        combine_identities([known, far])


def test_the_most_central_embedding():
    photos = [make(id_embedding=e) for e in (embed(x=1), None, embed(x=1, y=1), embed(y=1))]
    central, cosines = compare_embeddings(photos)
    assert central == 2 and cosines[1] is None
    assert [cosines[i] for i in (0, 2, 3)] == pytest.approx([math.sqrt(0.5), 1, math.sqrt(0.5)])
    assert compare_embeddings([photos[1]]) == (None, [None])


def test_a_typed_caption_wins():
    assert combine_identities([make(caption="a"), make(caption="b")], caption=" c ")[0].caption == "c"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1.0]}, r"as many weights as identities \(2\)"),
        ({"weights": [1.0, -1.0]}, "from 0 up"),
        ({"weights": [1.0, math.nan]}, "from 0 up"),
        ({"weights": [1.0, math.inf]}, "from 0 up"),
        ({"weights": [0.0, 0.0]}, "No weight is left"),
        ({"method": "median"}, "choose mean, weighted by quality, best"),
    ],
)
def test_wrong_combinations(arguments, message):
    photos = [make(1.0), make(1.0)]
    with pytest.raises(ConsistentIDError, match=message):
        combine_identities(photos, **arguments)
    with pytest.raises(ConsistentIDError, match="No identity"):
        combine_identities([])


def test_features_of_another_encoder_are_refused():
    other = replace(make(1.0), zero_features=ZERO.flip(0))
    with pytest.raises(IncompatibleModelError, match="Identity 3 was encoded with another CLIP_VISION"):
        combine_identities([make(1.0), make(1.0), other])
    with pytest.raises(IncompatibleModelError, match="CLIP_VISION"):
        mix_identities(make(1.0), other, 0.5)
    half = replace(make(1.0), zero_features=ZERO.half())
    assert combine_identities([make(1.0), half])[0].quality == 0.0


PAIR = (
    make(seed=1, caption="a", sources=("a",), quality=0.2, strengths={"Nose": 0.4}, notes={"n": "a", "only a": "x"}),
    make(seed=2, caption="b", sources=("b",), quality=0.8, regions=("Face", "Right_Eye", "Nose"), notes={"n": "b"}),
)


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_the_ends_are_exact(amount, untouched):
    a, b = untouched(*PAIR)
    assert_close(mix_identities(a, b, amount)[0], (a, b)[int(amount)], atol=0)
    assert_close(
        mix_identities(a, replace(b, id_embedding=None), amount)[0], (a, replace(b, id_embedding=None))[int(amount)]
    )


@pytest.mark.parametrize("amount", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_a_person_mixed_with_themselves(amount, untouched):
    for person in untouched(*PAIR):
        assert_close(mix_identities(person, person, amount)[0], person)


@pytest.mark.parametrize("amount", [0.1, 0.25, 0.5, 0.8])
def test_between_two_people(amount, untouched):
    a, b = untouched(*PAIR)
    mixed, report = mix_identities(a, b, amount)
    other_way, _ = mix_identities(b, a, 1 - amount)
    if amount != 0.5:
        assert_close(mixed, other_way)
    cosine = float(a.id_embedding @ b.id_embedding)
    assert float(mixed.id_embedding.norm()) == pytest.approx(1)
    assert math.acos(float(a.id_embedding @ mixed.id_embedding)) == pytest.approx(amount * math.acos(cosine), abs=1e-4)
    line = (1 - amount) * a.photo_features + amount * b.photo_features
    assert torch.allclose(mixed.photo_features, line, atol=1e-6)
    eye = "Left_Eye" if amount <= 0.5 else "Right_Eye"
    assert mixed.regions == ("Face", eye, "Left_Ear", "Nose", "Upper_Lip")
    eyes = (1 - amount) * a.region_features["Left_Eye"] + amount * b.region_features["Right_Eye"]
    assert torch.allclose(mixed.region_features[eye], eyes, atol=1e-6)
    assert torch.equal(mixed.region_features["Left_Ear"], a.region_features["Left_Ear"])
    assert "ears: only A" in report and "mouth: only A" in report and "eyes" not in report and "hair" not in report
    assert mixed.strengths["Nose"] == pytest.approx(0.4 + 0.6 * amount)
    assert mixed.quality == pytest.approx(0.2 + 0.6 * amount)
    assert mixed.caption == "ab"[amount > 0.5] and mixed.notes["n"] == "ab"[amount > 0.5]
    assert set(mixed.sources) == {"a", "b"} and mixed.notes["only a"] == "x"


def test_eyes_of_one_and_nose_of_the_other(untouched):
    a, b = untouched(*PAIR)
    mixed, report = mix_identities(a, b, 0.25, {"eyes": "A", "nose": "B", "mouth": "B"})
    assert mixed.regions == ("Face", "Left_Eye", "Left_Ear", "Nose")
    assert torch.equal(mixed.region_features["Left_Eye"], a.region_features["Left_Eye"])
    assert torch.equal(mixed.region_features["Nose"], b.region_features["Nose"]) and mixed.strengths["Nose"] == 1
    face = 0.75 * a.region_features["Face"] + 0.25 * b.region_features["Face"]
    assert torch.allclose(mixed.region_features["Face"], face, atol=1e-6)
    assert report.startswith("75% A and 25% B.")
    assert {"eyes: A.", "nose: B.", "mouth: B, who has none: left out."} <= set(report.splitlines())
    pure, _ = mix_identities(a, b, 0.0, {"nose": "B"})
    assert torch.equal(pure.id_embedding, a.id_embedding) and pure.regions == a.regions
    assert torch.equal(pure.region_features["Nose"], b.region_features["Nose"])


def test_an_embedding_only_one_has():
    a, b = PAIR[0], replace(PAIR[1], id_embedding=None)
    mixed, report = mix_identities(a, b, 0.75)
    assert torch.equal(mixed.id_embedding, a.id_embedding) and "ID embedding: only A" in report
    assert mix_identities(replace(a, id_embedding=None), b, 0.5)[0].id_embedding is None


@pytest.mark.parametrize("amount", [-0.1, 1.1, math.nan])
def test_wrong_amounts(amount):
    with pytest.raises(ConsistentIDError, match="from 0 to 1"):
        mix_identities(*PAIR, amount)


@pytest.mark.parametrize("choices", [{"eyes": "C"}, {"Left_Eye": "A"}])
def test_wrong_choices(choices):
    with pytest.raises(ConsistentIDError, match=r"face, ears, eyes.* mixed, A, B"):
        mix_identities(*PAIR, 0.5, choices)


def test_even_steps_along_the_sphere():
    a, b = embed(x=1), embed(y=1)
    angles = [math.degrees(math.atan2(*interpolate_sphere(a, b, t)[[1, 0]].tolist())) for t in (0, 0.25, 0.5, 1)]
    assert angles == pytest.approx([0, 22.5, 45, 90], abs=1e-4)
    near = normalize(a + 1e-5 * b, dim=0)
    assert torch.allclose(interpolate_sphere(a, near, 0.5), a, atol=1e-5)
    assert torch.allclose(interpolate_sphere(a, a, 0.3), a)


def test_mixed_identities_can_be_saved(tmp_path):
    mixed, _ = mix_identities(*PAIR, 0.3)
    combined, _ = combine_identities([adjust_regions(mixed, {"nose": 0.2}), PAIR[0]])
    for number, person in enumerate((mixed, combined)):
        assert_close(load_identity(save_identity(person, tmp_path / str(number))), person, atol=0)


def test_strengths_of_regions(untouched):
    [person] = untouched(PAIR[0])
    adjusted = adjust_regions(person, {"eyes": 0.5, "face": 2, "hair": 0})
    assert adjusted.strengths == {"Nose": 0.4, "Left_Eye": 0.5, "Face": 2}, "no strength for hair that is not there"
    assert adjusted.region_features is person.region_features
    assert adjust_regions(adjusted, {"nose": 1.0}).strengths["Nose"] == 1
    for wrong in ({"eyes": 2.1}, {"eyes": -0.1}, {"Left_Eye": 1.0}, {"nose": math.nan}):
        with pytest.raises(ConsistentIDError, match="from 0 to 2"):
            adjust_regions(person, wrong)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    with torch.device("meta"):
        module = FacialEncoder(32)
    module.fuse_module = FuseModule(32)
    return module.requires_grad_(False)


def test_strength_of_facial_tokens(encoder):
    text, regions = torch.randn(1, 9, 32), torch.randn(4, 32)
    positions = torch.tensor([2, 3, 5, 8])
    trained = encoder(text, regions, positions)
    assert torch.equal(encoder(text, regions, positions, torch.ones(4)), trained), "bit for bit"
    some = encoder(text, regions, positions, torch.tensor([0.0, 0.5, 1.0, 2.0]))
    step = trained - text
    for position, strength in zip(positions, [0.0, 0.5, 1.0, 2.0], strict=True):
        assert torch.allclose(some[0, position], text[0, position] + strength * step[0, position], atol=1e-6)
    assert torch.equal(some[0, 2], text[0, 2]) and torch.equal(some[0, 5], trained[0, 5])
    assert torch.equal(some[0, [0, 1, 4, 6, 7]], text[0, [0, 1, 4, 6, 7]])
    assert torch.equal(encoder(text, regions[:1], positions, torch.zeros(4)), text)


def test_strengths_where_two_text_encoders_share_the_width(encoder):
    text, regions = torch.randn(1, 9, 32), torch.randn(2, 32)
    positions = torch.tensor([[2] * 12 + [4] * 20, [3] * 12 + [6] * 20])
    trained = encoder(text, regions, positions)
    found = encoder(text, regions, positions, torch.tensor([0.5, 0.0]))
    assert torch.allclose(found[0, 2, :12], (text + trained)[0, 2, :12] / 2, atol=1e-6)
    assert torch.allclose(found[0, 4, 12:], (text + trained)[0, 4, 12:] / 2, atol=1e-6)
    assert torch.equal(found[0, [3, 6]], text[0, [3, 6]])


def test_presets():
    balanced = PRESETS["balanced"]
    assert (balanced.weight, balanced.lora_weight, balanced.merge_at) == (1.0, 1.0, 0.6), "as published"
    likeness, editable = PRESETS["likeness"], PRESETS["editable"]
    assert likeness.merge_at < balanced.merge_at < editable.merge_at
    assert likeness.weight >= balanced.weight > editable.weight


def test_every_region_has_a_word_one_can_choose():
    assert set(WORDS) == set(REGION_WORDS.values())
