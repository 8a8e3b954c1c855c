"""Heads out of a picture and back, and two people through the text."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture
def detail(host):
    return host.nodes.detail


@pytest.fixture
def make_face(host):
    def make(*box):
        return host.consistentid.face.face.Face(np.array(box, np.float32), None, 1.0, None)

    return make


@pytest.fixture
def picture(astronaut):
    return torch.from_numpy(astronaut)[None].float() / 255


def test_two_heads_of_one_picture_and_one_of_another(detail, make_face, picture):
    other = picture.flip(2)
    boxes = [(picture, make_face(60, 60, 120, 130)), (picture, make_face(300, 60, 360, 130))]
    boxes.append((other, make_face(200, 200, 260, 270)))
    crops, placements = zip(
        *(detail.CropHead.execute(image, face, 0.4, 256).result for image, face in boxes), strict=True
    )
    assert all(crop.shape == (1, 256, 256, 3) for crop in crops)
    white = [torch.ones_like(crop) for crop in crops]
    first, second = detail.PasteHead.execute(white, list(placements), [0.1]).result[0]
    for result, original, marks in ((first, picture, [(90, 95), (330, 95)]), (second, other, [(230, 235)])):
        changed = (result != original).any(-1)[0]
        assert all(torch.allclose(result[0, y, x], torch.ones(3), atol=1e-5) for x, y in marks)
        assert 0.005 < changed.float().mean() < 0.2
    assert torch.equal(second[0, 95, 90], other[0, 95, 90])


def test_equal_pictures_stay_two(detail, make_face, picture):
    faces = [make_face(60, 60, 120, 130), make_face(300, 60, 360, 130)]
    twins = [picture.clone(), picture.clone()]
    crops, placements = zip(
        *(detail.CropHead.execute(*pair, 0.4, 256).result for pair in zip(twins, faces, strict=True)), strict=True
    )
    white = [torch.ones_like(torch.cat(crops))]  # a batch, as a sampler may give back
    results = detail.PasteHead.execute(white, list(placements), [0.1]).result[0]
    assert len(results) == 2 and not torch.equal(*results)


def test_transparency_is_the_pictures_own(detail, make_face, picture):
    clear = torch.cat([picture, torch.full_like(picture[..., :1], 0.5)], dim=-1)
    _, placement = detail.CropHead.execute(clear, make_face(60, 60, 120, 130), 0.4, 256).result
    (result,) = detail.PasteHead.execute([torch.ones(1, 256, 256, 3)], [placement], [0.1]).result[0]
    assert torch.equal(result[..., 3], clear[..., 3]) and result[0, 95, 90, :3].min() > 0.999


def test_batches_that_do_not_fit_are_refused(detail, host, make_face, picture):
    error = host.consistentid.errors.ConsistentIDError
    with pytest.raises(error, match="batch of 2"):
        detail.CropHead.execute(picture.repeat(2, 1, 1, 1), make_face(60, 60, 120, 130), 0.4, 256)
    crop, placement = detail.CropHead.execute(picture, make_face(60, 60, 120, 130), 0.4, 256).result
    with pytest.raises(error, match="2 crops came back for 1 place"):
        detail.PasteHead.execute([crop, crop], [placement], [0.1])


def test_several_people_have_their_own_masks(host, couple):
    mask = torch.ones(64, 64)
    assert host.nodes.people.list_people(couple[0].identity, mask)[0].mask.mask.shape == (1, 64, 64)
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="disconnect 'mask'"):
        host.nodes.people.list_people(couple, mask)


def test_a_picture_without_a_face_stays_as_it_is(detail, host, picture):
    crop, placement = detail.CropHead.execute(picture, None, 0.4, 512).result
    (result,) = detail.PasteHead.execute([torch.zeros_like(crop)], [placement], [0.15]).result[0]
    assert torch.equal(result, picture)
    assert host.nodes.people.MaskHead.execute(picture, None, 2.0, 0.3).result[0].sum() == 0


def test_mask_of_a_face(host, make_face, picture):
    (mask,) = host.nodes.people.MaskHead.execute(picture, make_face(178, 62, 272, 180), 2.0, 0.3).result
    assert mask.shape == (1, 512, 512) and mask[0, 121, 225] == 1 and mask[0, 400, 100] == 0


@pytest.fixture
def couple(host, make_identity):
    left = torch.zeros(1, 64, 64)
    left[:, :, :32] = 1
    her = make_identity(("Face", "Left_Eye", "Nose"), 1, caption="a round face, blue eyes, a small nose")
    him = make_identity(("Left_Eye", "Nose"), 2, caption="brown eyes, a long nose", strengths={"Nose": 0.5})
    (first,) = host.nodes.people.AddPerson.execute(her, left, 1.0).result
    (people,) = host.nodes.people.AddPerson.execute(him, 1 - left, 0.8, first).result
    assert [person.weight for person in people] == [1.0, 0.8] and len(first) == 1
    return people


def list_words(clip, text: str, rows) -> list[str]:
    tokens = [token for chunk in clip.tokenize(text)["l"] for token, _ in chunk]
    return [clip.tokenizer.clip_l.inv_vocab[tokens[row]].removesuffix("</w>") for row in rows]


def test_two_people_in_one_prompt(host, checkpoint, adapter, couple):
    """Each person's facial tokens stand behind their words, with their features; all about a person is masked."""
    clip, rows = checkpoint[1], host.nodes.model.rows
    prompt = "in a park, <A> a woman, <B> a man"
    positive, negative, marked, report = host.nodes.conditioning.InjectTokens.execute(
        clip, adapter, couple, prompt, "blurry", 0.5, "auto", ""
    ).result
    assert report == "A: 3 facial tokens: face, eyes, nose.\nB: 2 facial tokens: eyes, nose (0.5)."
    assert marked.index("a woman") < marked.index("blue eyes") < marked.index("a man") < marked.index("brown eyes")
    plain = marked.replace("<|facial|>", "")
    stage, facial = (entry for entry in positive)
    changed = (facial[0] != stage[0]).any(-1)[0].nonzero().flatten().tolist()
    assert list_words(clip, plain, changed) == ["face", "eyes", "nose", "eyes", "nose"]
    for entry in positive:
        hers, his = entry[1][rows.TOKEN_MASKS]
        said = [" ".join(list_words(clip, plain, mask.positions)) for mask in (hers, his)]
        assert said[0] == "a woman detail : a round face , blue eyes , a small nose ,"
        assert said[1] == "a man detail : brown eyes , a long nose ,"
        assert hers.mask is couple[0].mask and his.mask is couple[1].mask and hers.length == facial[0].shape[1]
    for entry in negative:
        masked = entry[1][rows.TOKEN_MASKS]
        assert [mask.positions.tolist() for mask in masked] == [changed[:3], changed[3:]]
    alone, *_ = host.nodes.conditioning.InjectTokens.execute(
        clip, adapter, couple[0].identity, prompt.replace("<A>", "").replace("<B>", ""), "blurry", 0.5, "auto", ""
    ).result
    assert all(rows.TOKEN_MASKS not in entry[1] for entry in alone)


LONG = "by the sea, " + "a walk, " * 40

TEXTS = {
    "emphasis": (
        "(in a (park:1.1), <A> a (woman in ((red)):1.3) <B> a (man:0.5)</B>, at night:0.9)",
        (
            "a woman in red detail : a round face , blue eyes , a small nose ,",
            "a man detail : brown eyes , a long nose ,",
        ),
        "in a park , at night",
    ),
    "three people, several chunks": (
        f"{LONG}<A> {'a lady, ' * 30}</A> by day, <C> a boy <B> a man",
        (
            "a lady , " * 29 + "a lady detail : a round face , blue eyes , a small nose ,",
            "a man detail : brown eyes , a long nose ,",
            "a boy detail : a round face , blue eyes , a small nose ,",
        ),
        LONG.replace(",", " ,") + "by day ,",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_word_stays_with_its_person(host, checkpoint, adapter, couple, name):
    """With brackets around everything, behind an end, over chunks; begin, end and padding are everywhere."""
    prompt, said, rest = TEXTS[name]
    (third,) = host.nodes.people.AddPerson.execute(couple[0].identity, torch.ones(1, 8, 8), 1.0).result
    people, clip, key = (*couple, *third)[: len(said)], checkpoint[1], host.nodes.model.rows.TOKEN_MASKS
    positive, _, marked, _ = host.nodes.conditioning.InjectTokens.execute(
        clip, adapter, people, prompt, "", 0.5, "auto", ""
    ).result
    tokens = host.nodes.text.clip.HostedText(clip).tokenize(marked.replace("<|facial|>", "")).words["l"]
    words = {place: clip.tokenizer.clip_l.inv_vocab[token].removesuffix("</w>") for place, token in tokens}
    for text, values in positive:
        masks = {mask.mask: mask.positions.tolist() for mask in values[key]}
        owned = {place for places in masks.values() for place in places}
        found = [" ".join(words[place] for place in masks[person.mask]) for person in people]
        assert found == list(said)
        assert {mask.length for mask in values[key]} == {text.shape[1]}
        others = [word for place, word in words.items() if place not in owned]
        assert " ".join(others) == rest


def test_what_is_said_of_one_does_not_reach_the_other(host, checkpoint, adapter, couple):
    """Through the text encoder either, where words take up those before them; without masks everything does."""
    texts, key = {}, host.nodes.model.rows.TOKEN_MASKS
    free = tuple(replace(person, mask=None) for person in couple)
    for people in (couple, free):
        for prompt in ("a park, <A> a tall woman <B> a man", "a park, <A> a green woman <B> a man"):
            texts[people, prompt] = host.nodes.conditioning.InjectTokens.execute(
                checkpoint[1], adapter, people, prompt, "", 0.5, "auto", ""
            ).result[0]
    one, two, *whole = texts.values()
    for (text, values), (other, _) in zip(one, two, strict=True):
        hers, his = (mask.positions.tolist() for mask in values[key])
        differing = (text != other).any(-1)[0].nonzero().flatten().tolist()
        assert differing and set(differing) <= set(hers) and not set(differing) & set(his)
    (text, _), (other, _) = (conditioning[0] for conditioning in whole)
    assert (text != other).any(-1)[0, his].all() and (text != other).any(-1)[0, -1]


def test_a_person_without_a_mask_is_everywhere(host, checkpoint, adapter, couple):
    people, key = (couple[0], replace(couple[1], mask=None)), host.nodes.model.rows.TOKEN_MASKS
    positive, negative, *_ = host.nodes.conditioning.InjectTokens.execute(
        checkpoint[1], adapter, people, "<A> a woman <B> a man", "", 0.5, "auto", ""
    ).result
    assert [[mask.mask for mask in values[key]] for _, values in positive + negative] == [[couple[0].mask]] * 3


def test_one_person_with_a_name(host, checkpoint, adapter, couple):
    _, _, marked, report = host.nodes.conditioning.InjectTokens.execute(
        checkpoint[1], adapter, couple[:1], "in a park, <A> a woman", "", 0.5, "auto", ""
    ).result
    assert "<A>" not in marked and marked.startswith("in a park, a womanDetail:") and report.startswith("3 facial")


def test_a_face_of_another_picture_is_refused(host, detail, make_face, picture, astronaut):
    face = replace(make_face(178, 62, 272, 180), photo=host.consistentid.face.photo.hash_photo(astronaut))
    detail.CropHead.execute(picture, face, 0.4, 256)
    for execute in (
        lambda: detail.CropHead.execute(picture.flip(1), face, 0.4, 256),
        lambda: host.nodes.people.MaskHead.execute(picture.flip(1), face, 2.0, 0.3),
    ):
        with pytest.raises(host.consistentid.errors.ConsistentIDError, match="not found in this photo"):
            execute()


def test_a_name_without_a_person(host, checkpoint, adapter, couple):
    with pytest.raises(host.consistentid.errors.CaptionError, match="<C>, but there are 2 people"):
        host.nodes.conditioning.InjectTokens.execute(checkpoint[1], adapter, couple, "<C> a dog", "", 0.5, "auto", "")
