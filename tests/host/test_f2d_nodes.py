"""Face2Diffusion's nodes: a whole run from photo to latent, beside ConsistentID, and what they refuse."""

import numpy as np
import pytest
import torch
from golden_data import difference
from golden_data.face2diffusion import TEXT, make_comfy_clip, replace_rows, write_package

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def clip(host):
    return make_comfy_clip()


@pytest.fixture(scope="module")
def package(host, tmp_path_factory):
    """What 'Load Face2Diffusion' gives out for a folder in models/consistentid, found by its content."""
    import folder_paths

    root = tmp_path_factory.mktemp("models") / "consistentid"
    write_package(root / "nested" / "my face2diffusion")
    with pytest.MonkeyPatch.context() as patch:
        kinds = folder_paths.folder_names_and_paths
        patch.setitem(kinds, "consistentid", ([str(root)], kinds["consistentid"][1]))
        node = host.nodes.face2diffusion.LoadFace2Diffusion
        (package_name,) = host.nodes.server.folders.list_folders("face2diffusion")
        assert package_name == "my face2diffusion"
        assert node.validate_inputs(package_name) is True
        assert "Face2Diffusion" in node.validate_inputs("absent") and "drive.google.com" in node.validate_inputs(
            "absent"
        )
        return node.execute(package_name).result[0]


@pytest.fixture(scope="module")
def analysis(host, face_package):
    return host.nodes.face.load_face_analysis(face_package, "CPU")


@pytest.fixture(scope="module")
def found(host, analysis, astronaut):
    """The astronaut's face, and her photo as Detect Face gives it out."""
    image = torch.from_numpy(np.ascontiguousarray(astronaut)).float()[None] / 255
    options = {"select": ["largest"], "index": [0], "threshold": [0.5], "on_no_face": ["error"]}
    result = host.nodes.face.DetectFace.execute([analysis], [image], channel_order=["BGR"], **options).result
    return result[0][0], result[5][0]


@pytest.fixture(scope="module")
def encode(host, package, found):
    def run(face=found[0], photo=found[1], strength=1.0, expression=""):
        node = host.nodes.face2diffusion.EncodeTextIdentity
        return node.execute(package, photo, face, strength, expression).result

    return run


@pytest.fixture
def name(host):
    def run(clip, person, word="f l", prompt=""):
        return host.nodes.face2diffusion.NamePerson.execute(clip, person, word, prompt).result

    return run


def encode_text(clip, text):
    """ComfyUI's own node."""
    from nodes import CLIPTextEncode

    return CLIPTextEncode().encode(clip, text)[0]


def make_person(host, seed: int):
    vectors = torch.randn(2, 768, generator=torch.Generator().manual_seed(seed))
    return host.consistentid.face2diffusion.encoder.TextIdentity(vectors)


def test_from_photo_to_latent(host, clip, encode, name, found, astronaut, run, portrait):
    person, crop = encode()
    expected = host.consistentid.face.face.align_face(astronaut, found[0])
    assert np.array_equal((crop[0] * 255).round().numpy(), expected)
    named, prompt = name(clip, person, "anna", "a photo of Anna, smiling")
    assert prompt == "a photo of Anna, smiling"
    positive, negative = encode_text(named, prompt), encode_text(named, "blurry")
    assert torch.equal(negative[0][0], encode_text(clip, "blurry")[0][0])
    plain = replace_rows(clip, "a photo of x x, smiling", {4: person.vectors[0], 5: person.vectors[1]})
    assert difference(positive[0][0], plain) < TEXT
    latent = run.sample(portrait.model, (positive, negative))
    assert run.differ(run.sample(portrait.model, ([[plain, {}]], negative)), latent) < 1e-4
    nobody = run.sample(portrait.model, (encode_text(clip, prompt), negative))
    other = run.sample(portrait.model, (encode_text(name(clip, make_person(host, 1), "anna")[0], prompt), negative))
    assert min(run.differ(nobody, latent), run.differ(other, latent), run.differ(nobody, other)) > 1e-3


def test_expression(host, encode):
    code = " ".join(str(number / 64) for number in range(64))
    neutral = encode()[0].vectors
    assert torch.equal(encode(strength=0.0, expression=code)[0].vectors, neutral)
    half, full = (encode(strength=strength, expression=code)[0].vectors for strength in (0.5, 1.0))
    assert difference(full, neutral) > 0.01 and difference(half, neutral) > 0.005 and difference(half, full) > 0.005
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="64 finite numbers"):
        encode(expression="1 2 3")


def test_an_expression_is_read_of_a_face(host, found, zoo_models, encode):
    """For networks that were trained here; those of the released kind refuse it."""
    load = host.consistentid.face.parsing.load_face_parser
    parser = host.nodes.model.hosting.make_patcher(load(zoo_models / "face_parsing.safetensors"))
    (code,) = host.nodes.face2diffusion.ReadExpression.execute(parser, found[1], found[0], "256").result
    assert host.consistentid.face2diffusion.expression.parse_expression(code).shape == (6,)
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=r"reads expression codes of 64 numbers"):
        encode(expression=code)


def test_photo_and_face_must_belong_together(host, encode, found):
    errors = host.consistentid.errors
    with pytest.raises(errors.ConsistentIDError, match="not found in this photo"):
        encode(photo=found[1].flip(2))
    with pytest.raises(errors.FaceNotFoundError, match="got no face"):
        encode(face=None)


def test_a_prompt_without_the_word(host, clip, name):
    person = make_person(host, 1)
    with pytest.raises(host.consistentid.errors.CaptionError, match="does not hold 'anna'"):
        name(clip, person, "anna", "a photo of a woman")
    assert name(clip, person, "anna", " ")[1] == " "


@pytest.fixture(scope="module")
def couple(host, adapter):
    """Two people whose region tokens are given, so that nothing is encoded."""
    keys = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    people = []
    for seed in (0, 1):
        tokens = torch.randn(6, 768, generator=torch.Generator().manual_seed(seed))
        photo, regions = torch.zeros(257, 1280), {key: torch.zeros(257, 1280) for key in keys}
        identity = host.consistentid.identity.Identity(photo, photo, regions)
        known = dict(zip(keys, tokens[:5], strict=True)), tokens[5]
        adapter._region_tokens[identity.photo_features] = (identity.region_features, known)
        people.append(host.nodes.people.Person(identity))
    return tuple(people)


@pytest.fixture
def inject(host, adapter, couple):
    def run(clip, prompt, people=couple[:1], caption="", alignment="auto", negative="blurry"):
        node = host.nodes.conditioning.InjectTokens
        return node.execute(clip, adapter, people, prompt, negative, 0.6, alignment, caption).result

    return run


def split(conditioning):
    return [entry[0] for entry in conditioning]


def find_changes(text, facial):
    return (text != facial).any(-1)[0].nonzero().flatten().tolist()


def read_words(clip, text, rows):
    """The words of a text with two letters for a person, at the places of a text with the person."""
    tokens = [token for chunk in clip.tokenize(text)["l"] for token, _ in chunk]
    return [clip.tokenizer.clip_l.inv_vocab[tokens[row]].removesuffix("</w>") for row in rows]


@pytest.mark.parametrize("prompt", ["a photo of (anna:1.2) in a park", "a photo of anna"])
def test_beside_consistentid(host, clip, name, inject, prompt):
    """Facial tokens go to their words, the person to hers."""
    named, _ = name(clip, make_person(host, 1), "anna", prompt)
    positive, negative, marked, report = inject(named, prompt)
    text, facial = split(positive)
    plain = marked.replace("<|facial|>", "")
    rows = find_changes(text, facial)
    assert read_words(clip, plain.replace("anna", " x x "), rows) == ["face", "ears", "eyes", "nose", "mouth"]
    assert torch.equal(text, encode_text(named, plain)[0][0])
    assert difference(text, encode_text(clip, plain.replace("anna", " x x "))[0][0]) > 0.1
    assert report.startswith("5 facial tokens")
    unnamed_negative = inject(clip, prompt.replace("anna", "x x"))[1]
    assert difference(split(negative)[0], split(unnamed_negative)[0]) == 0


def test_the_word_inside_the_caption(host, clip, name, inject):
    """Markers before it move it while they are placed; its token counts as the same all the same."""
    named, _ = name(clip, make_person(host, 1), "anna")
    positive, _, marked, _ = inject(named, "a photo", caption="the round face and small nose of anna, a wide mouth")
    rows = find_changes(*split(positive))
    plain = marked.replace("<|facial|>", "").replace("anna", "x x")
    assert read_words(clip, plain, rows) == ["face", "nose", "mouth"]


def test_two_people_of_each_kind(host, clip, name, inject, couple):
    named, _ = name(name(clip, make_person(host, 1), "anna")[0], make_person(host, 2), "bert")
    prompt = "in a park, <A> anna in red <B> bert with a hat"
    positive, _, marked, _ = inject(named, prompt, couple)
    rows = find_changes(*split(positive))
    plain = marked.replace("<|facial|>", "").replace("anna", "x x").replace("bert", "x x")
    assert read_words(clip, plain, rows) == ["face", "ears", "eyes", "nose", "mouth"] * 2


def test_published_alignment_reads_letters(host, clip, name, inject):
    named, _ = name(clip, make_person(host, 1), "anna")
    with pytest.raises(host.consistentid.errors.CaptionError, match=r"letter by letter.*auto or matched"):
        inject(named, "a photo of anna", alignment="published")
    texts = [split(inject(known, "a woman", alignment="published")[0]) for known in (named, clip)]
    assert all(torch.equal(first, second) for first, second in zip(*texts, strict=True))
