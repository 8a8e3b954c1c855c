"""The text stage with a made-up engine: words for tokens, numbers for embeddings."""

from dataclasses import replace

import pytest
import torch

from consistentid.adapter.config import SD15, SDXL, ZOO
from consistentid.errors import CaptionError
from consistentid.identity import Identity
from consistentid.ports import Entry, LiteralText, TokenizedText
from consistentid.prompt.compose import compose_text
from consistentid.prompt.encode import encode_apart, encode_plain, encode_stages
from consistentid.prompt.tokens import find_own_tokens, tokenize_marked

FEATURES = torch.zeros(257, 1280)
BEGIN, END, PAD = "<", ">", "_"


class Words:
    """A TextEncoder whose tokens are words, six to a chunk; it is changed once on the way of a run.

    An embedding is the length of the word in every channel. behind: tokens that stand before the words, by encoder.
    """

    def __init__(self, behind=None):
        self.behind = behind or {"l": 0}

    def tokenize(self, text):
        words, chunks, places = text.split(), {}, {}
        parts = [words[start : start + 6] for start in range(0, max(len(words), 1), 6)]
        for name, shift in self.behind.items():
            chunks[name] = [[(x, 1.0) for x in [BEGIN, *part, END] + [PAD] * (6 - len(part))] for part in parts]
            places[name] = [
                (8 * number + 1 + index - shift, word)
                for number, part in enumerate(parts)
                for index, word in enumerate(part)
            ]
        return TokenizedText(chunks, places)

    def tokenize_literally(self, text):
        return {name: LiteralText(text.split(), BEGIN, END, PAD) for name in self.behind}

    def encode(self, chunks):
        first = next(iter(chunks.values()))
        rows = torch.tensor([float(len(token)) for chunk in first for token, _ in chunk])[None, :, None].expand(
            -1, -1, 4
        )
        return [Entry(rows, {"part": 1}), Entry(rows + 100, {"part": 2})]


class Networks:
    """AdapterNetworks that write a region's number where its token goes: 1 for the first, 0 for zero pixels."""

    def __init__(self, config=SD15):
        self.config = config

    def encode_regions(self, identity):
        return {key: torch.full((4,), 1.0 + number) for number, key in enumerate(identity.regions)}, torch.zeros(4)

    def fuse(self, text, region_tokens, positions, strengths=None):
        fused = text.clone()
        fused[0, positions] = region_tokens.expand(len(positions), -1)
        return fused


@pytest.fixture
def person():
    return Identity(FEATURES, FEATURES, dict.fromkeys(("Face", "Nose"), FEATURES), caption="a nose , one face")


def encode(person, alignment="auto", config=SD15, encoder=None, negative="bad"):
    encoder = encoder or Words()
    composed = compose_text("a woman in a big forest ", "", [person], config, encoder, alignment)
    negatives = encode_plain(encoder, negative, composed.is_published)
    return encode_stages(encoder, Networks(config), [person], composed, negatives), composed


def changed(before, after):
    return (before.rows != after.rows).any(-1)[0].nonzero().flatten().tolist()


def test_each_part_of_a_run_keeps_what_the_engine_said_of_it(person):
    stages, _ = encode(person)
    for texts in (stages.text, stages.facial):
        for entries in texts:
            assert [entry.extra for entry in entries] == [{"part": 1}, {"part": 2}]
    for before, after in zip(stages.text.positive, stages.facial.positive, strict=True):
        assert changed(before, after) == sorted(stages.positions.tolist())


def test_facial_tokens_meet_their_words_over_several_chunks(person):
    stages, composed = encode(person)
    flat = [token for chunk in Words().tokenize(composed.plain).chunks["l"] for token, _ in chunk]
    assert [flat[place] for place in stages.positions] == ["face", "nose"]
    assert stages.facial.positive[0].rows[0, stages.positions, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("config", "facial"), [(SD15, (True, True)), (SDXL, (False, True)), (ZOO, (False, False))])
def test_the_negative_is_one_list_or_two(person, config, facial):
    stages, _ = encode(person, config=config, encoder=Words(dict.fromkeys((n for n, _ in config.text_encoders), 0)))
    assert (stages.text.negative is stages.facial.negative) == (facial[0] == facial[1])
    assert tuple(bool(negative[0].own) for _, negative in (stages.text, stages.facial)) == facial
    if facial[1]:
        negative = stages.facial.negative[0].rows
        assert negative.shape[1] >= stages.facial.positive[0].rows.shape[1]
        assert not negative[0, stages.positions].any(), "the token of zero pixels"


def test_published_reads_one_chunk_of_77(person):
    stages, composed = encode(replace(person, caption=""), "published", negative="bad " * 90)
    assert composed.is_published
    for texts in (stages.text, stages.facial):
        assert {entry.rows.shape[1] for entries in texts for entry in entries} == {77}
    plain = encode_plain(Words(), "bad " * 90, published=True)[0].rows[0, :, 0].tolist()
    assert plain[-2:] == [3.0, 1.0], "the end token is kept"


def test_encoders_that_differ_in_places_have_them_by_channel(person):
    composed = compose_text("a woman", "", [person], SDXL, Words())
    same = tokenize_marked(Words({"l": 0, "g": 0}), composed).stack_positions(SDXL)
    assert same.shape == (2,)
    moved = tokenize_marked(Words({"l": 0, "g": 1}), composed).stack_positions(SDXL)
    assert moved.shape == (2, 2048)
    assert torch.equal(moved[:, 0], same) and torch.equal(moved[:, 768], same - 1)


def test_rows_that_are_not_those_of_the_tokens_are_refused(person):
    class Doubled(Words):
        def encode(self, chunks):
            return [Entry(entry.rows.repeat(1, 2, 1), entry.extra) for entry in super().encode(chunks)]

    with pytest.raises(CaptionError, match="cannot be told which are those of facial tokens"):
        encode(person, encoder=Doubled())


def list_tokens(text):
    return [token for chunk in Words().tokenize(text).chunks["l"] for token, _ in chunk]


def read_own(text, own):
    return [" ".join(list_tokens(text)[place] for place in places) for places in own]


PAIR = "in a deep forest <B> a man in green and red </B> by night <A> a woman"


@pytest.mark.parametrize("config", [SD15, SDXL], ids=["sd15", "sdxl"])
def test_tokens_of_each_person_over_several_chunks(person, config):
    """In both stages, without begin, end and padding; in the negative only where facial tokens are."""
    people, encoder = [person, person], Words(dict.fromkeys((name for name, _ in config.text_encoders), 0))
    composed = compose_text(PAIR, "", people, config, encoder)
    stages = encode_stages(encoder, Networks(config), people, composed, encode_plain(encoder, "bad"))
    hers, his = "one face, a nose,", "one face, a nose,"
    detail = config.separator.strip()
    hers, his = (f"{words}{' ' * (detail[0] == ';')}{detail}one face , a nose ," for words in ("a woman", "red"))
    own = [read_own(composed.plain, entry.own) for entry in stages.facial.positive]
    assert own[0][0].replace(" ", "") == hers.replace(" ", "")
    assert own[0][1].replace(" ", "") == f"a man in green and {his}".replace(" ", "")
    before = [read_own(composed.before_merge, entry.own) for entry in stages.text.positive]
    assert before == (own if config is SD15 else [["a woman", "a man in green and red"]] * 2)
    hers, his = stages.facial.negative[0].own
    assert sorted([*hers.tolist(), *his.tolist()]) == sorted(stages.positions.tolist())
    assert stages.text.negative[0].own == (stages.facial.negative[0].own if config is SD15 else ())


class Causal(Words):
    """An encoder in which each row is made of all tokens up to it."""

    def encode(self, chunks):
        tokens = [token for chunk in chunks["l"] for token, _ in chunk]
        sums = [float(sum(len(token) for token in tokens[: end + 1])) for end in range(len(tokens))]
        return [Entry(torch.tensor(sums)[None, :, None].expand(-1, -1, 4).clone(), sums[-1])]


@pytest.mark.parametrize("apart", [(0, 1), (1,), ()], ids=str)
def test_words_of_people_apart_do_not_reach_each_other(person, apart):
    """Neither through words behind them nor through the end of the text; what keeps its place is the whole."""
    people, stages = [person, person], {}
    for colour in ("red", "blue"):
        composed = compose_text(PAIR.replace("red", colour), "", people, SD15, Causal())
        stages[colour] = encode_stages(Causal(), Networks(), people, composed, encode_plain(Causal(), "bad"), apart)
    one, two = (stages[colour].text.positive[0] for colour in stages)
    _, his = one.own
    assert his.tolist() == two.own[1].tolist()
    differing = changed(one, two)
    first = list_tokens(composed.plain).index("blueDetail:one")
    if 1 in apart:
        assert differing == [place for place in his.tolist() if place >= first]
    else:
        assert differing == list(range(first, one.rows.shape[1]))
    assert one.extra != two.extra, "what is kept of the whole text"


@pytest.mark.parametrize("foreign", [0, 2])
def test_vectors_of_people_apart_do_not_reach_each_other(foreign):
    """Embeddings and words for people are tokens too; those made for another encoder have no row and move others."""

    class Summing(Words):
        def encode(self, chunks):
            values = [8.0 if token == PAD else float(token[0]) for token, _ in chunks["l"][0] if len(token) != 1024]
            return [Entry(torch.tensor(values).cumsum(0)[None, :, None])]

    def read(hers, his):
        tokens = [*[torch.zeros(1024)] * foreign, torch.full((768,), hers), {0: hers}, [0.0], torch.full((768,), his)]
        own = torch.tensor([0, 1]), torch.tensor([3])
        return encode_apart(Summing(), {"l": [[(token, 1.0) for token in tokens]]}, own, (0, 1))[0].rows[0, :, 0]

    plain, hers, his = read(1.0, 1.0), read(2.0, 1.0), read(1.0, 2.0)
    assert (plain != hers).tolist() == [True, True, False, False]
    assert (plain != his).tolist() == [False, False, False, True]


def test_of_one_person_the_description_alone(person):
    """A word that the separator is glued to is not cut in two: its token is the person's."""
    for prompt in ("a woman in a big forest ", "a woman in a big"):
        composed = compose_text(prompt, "", [person], SD15, Words())
        own = find_own_tokens(Words(), composed.marked, composed.spans, 1)
        glued = prompt.split(" ")[-1]
        assert read_own(composed.plain, own) == [f"{glued}Detail:one face , a nose ,"]
    assert not len(find_own_tokens(Words(), "a woman", (), 1)[0])


def test_a_place_in_either_encoder_counts(person):
    composed = compose_text("a <A> b c", "", [replace(person, region_features={})], SDXL, Words())
    assert composed.plain == "a b c"
    assert find_own_tokens(Words({"l": 0, "g": 1}), composed.marked, composed.spans, 1)[0].tolist() == [1, 2, 3]
