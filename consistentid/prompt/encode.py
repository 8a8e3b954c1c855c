"""What is read in each of the two stages: the text alone up to the merge point, facial tokens in it after that."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..adapter.attention_maps import FacialTokens
from ..face.region_words import REGION_WORDS
from ..identity import Identity
from ..ports import AdapterNetworks, Chunks, Entry, TextEncoder
from .align import FacialPrompt
from .compose import find_owners
from .tokens import find_own_tokens, has_row, tokenize_marked, tokenize_plain


class Texts(NamedTuple):
    """What the two branches of one stage read; text embeddings may differ in length."""

    positive: list[Entry]
    negative: list[Entry]


@dataclass(frozen=True)
class Stages:
    """text: read up to the merge point; facial: after it. Their negative may be one and the same list.

    positions: of the facial tokens in marker order, as MarkedText.stack_positions gives them.
    """

    text: Texts
    facial: Texts
    positions: Tensor


def encode_plain(encoder: TextEncoder, text: str, published: bool = False) -> list[Entry]:
    """A text without facial tokens, such as the negative prompt."""
    return encoder.encode(tokenize_plain(encoder, text, published))


def encode_stages(
    encoder: TextEncoder,
    networks: AdapterNetworks,
    people: Sequence[Identity],
    composed: FacialPrompt,
    negative: list[Entry],
    apart: Collection[int] = (),
) -> Stages:
    """Both stages of a composed prompt. CaptionError where facial tokens cannot be placed.

    people: those it was composed for. negative: of `encode_plain`, published if the prompt is. apart: numbers of people
    whose words are not to reach the others, see `encode_apart`.
    """
    marked = tokenize_marked(encoder, composed)
    positions = marked.stack_positions(networks.config)
    region_tokens, (zero_token, *_) = zip(*map(networks.encode_regions, people), strict=True)
    tokens = stack_tokens(composed, region_tokens, zero_token, marked.count)
    strengths = stack_strengths(composed, people, marked.count)

    def fuse(entry: Entry, region_tokens: Tensor, length: int, own: tuple[Tensor, ...]) -> Entry:
        rows = networks.fuse(repeat_text(entry.rows, length), region_tokens, positions, strengths)
        return Entry(rows, entry.extra, own)

    faces = split_positions(composed, positions, len(people))
    words = find_own_tokens(encoder, composed.marked, composed.spans, len(people))
    words = tuple(torch.cat(both).unique() for both in zip(faces, words, strict=True))
    whole = encode_apart(encoder, marked.chunks, words, apart if composed.spans else ())
    for entry in whole:
        marked.check_rows(entry.rows)
    texts = whole
    if composed.is_published or composed.before_merge != composed.plain:
        own = find_own_tokens(encoder, composed.before_merge, composed.spans_before, len(people))
        chunks = tokenize_plain(encoder, composed.before_merge, composed.is_published)
        texts = encode_apart(encoder, chunks, own, apart if composed.spans_before else ())
    length = max(entry.rows.shape[1] for entry in whole)
    has_facial = networks.config.has_facial_negative(composed.is_published)
    facial = [fuse(entry, tokens, entry.rows.shape[1], words) for entry in whole]
    facial_negative = [fuse(entry, zero_token[None], length, faces) for entry in negative] if any(has_facial) else []
    before, after = (facial_negative if has else negative for has in has_facial)
    return Stages(Texts(texts, before), Texts(facial, after), positions)


def encode_apart(
    encoder: TextEncoder, chunks: Chunks, own: tuple[Tensor, ...], apart: Collection[int] = ()
) -> list[Entry]:
    """A text embedding whose words are marked as `own`, and where people of `apart` are read as if alone.

    In a text encoder each word takes up what stands before it, and the end of the text takes up everything: what is
    said of A would reach B through the words about B. So the words about a person of `apart` are read without those
    about the others, and the rest of the text without all of these; what is not read is padding meanwhile. What else
    the engine keeps of the text, such as SDXL's pooled embedding, is that of the whole.
    """
    whole = encoder.encode(chunks)
    if not apart:
        return [entry._replace(own=own) for entry in whole]
    hidden = {place for person in apart for place in own[person].tolist()}
    rows = [entry.rows.clone() for entry in encoder.encode(_hide(encoder, chunks, hidden))]
    for person in apart:
        alone = encoder.encode(_hide(encoder, chunks, hidden - set(own[person].tolist())))
        for target, entry in zip(rows, alone, strict=True):
            target[:, own[person]] = entry.rows[:, own[person]]
    return [Entry(target, entry.extra, own) for target, entry in zip(rows, whole, strict=True)]


def _hide(encoder: TextEncoder, chunks: Chunks, places: set[int]) -> Chunks:
    """The chunks with padding in place of the tokens whose rows are at some places."""
    pads = {name: text.pad for name, text in encoder.tokenize_literally("").items()}

    def hide(name: str, number: int, chunk: list) -> list:
        hidden, place = [], number * len(chunk)
        for token, weight in chunk:
            is_counted = has_row(token, name)
            hidden.append((pads[name], 1.0) if is_counted and place in places else (token, weight))
            place += is_counted
        return hidden

    return {name: [hide(name, number, chunk) for number, chunk in enumerate(parts)] for name, parts in chunks.items()}


def split_positions(composed: FacialPrompt, positions: Tensor, count: int) -> tuple[Tensor, ...]:
    """Positions of facial tokens, [N] or [N, D], as those of each of `count` people."""
    owners = torch.tensor(find_owners(composed)[: len(positions)], dtype=torch.long)
    return tuple(positions[: len(owners)][owners == person].unique() for person in range(count))


def find_tokens(composed: FacialPrompt, positions: Tensor) -> FacialTokens:
    """Where the facial tokens of each region are, "A eyes" among several people; positions: of Stages.

    A word for two regions, as eyes, has the tokens of both.
    """
    tokens: FacialTokens = {}
    for key, letter, places in zip(composed.regions, composed.letters, positions, strict=False):
        region = f"{letter} {REGION_WORDS[key]}".strip()
        tokens[region] = tuple(dict.fromkeys((*tokens.get(region, ()), *places.flatten().tolist())))
    return tokens


def stack_tokens(
    composed: FacialPrompt, region_tokens: Sequence[dict[str, Tensor]], zero_token: Tensor, count: int
) -> Tensor:
    """Region tokens [max(count, 1), D] in marker order; a marker beyond the regions takes the token of zero pixels.

    region_tokens: {region key: token [D]} of each person. count: of the markers that the text has room for.
    """
    owners = find_owners(composed)
    tokens = [region_tokens[owner][key] for owner, key in zip(owners, composed.regions, strict=True)][:count]
    return torch.stack(tokens + [zero_token] * max(count - len(tokens), 1))[: max(count, 1)]


def stack_strengths(composed: FacialPrompt, people: Sequence[Identity], count: int) -> Tensor:
    """Strengths [count] of facial tokens in marker order; 1 beyond the regions."""
    owners = find_owners(composed)
    pairs = zip(owners, composed.regions, strict=True)
    strengths = [people[owner].strengths.get(key, 1.0) for owner, key in pairs][:count]
    return torch.tensor(strengths + [1.0] * (count - len(strengths)))


def repeat_text(text: Tensor, length: int) -> Tensor:
    """Repeat an embedding [1, T, D] along T until it has at least `length` tokens; attention to it stays the same."""
    return text.repeat(1, -(-length // text.shape[1]), 1)
