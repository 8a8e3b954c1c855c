"""A CLIP whose tokenizer knows words that stand for people, by the way of textual inversion embeddings."""

import copy
from collections.abc import Callable
from functools import partial

from comfy.sd1_clip import SDTokenizer
from torch import Tensor, nn

from ...consistentid.errors import CaptionError, IncompatibleModelError
from ...consistentid.face2diffusion.encoder import TextIdentity
from ...consistentid.face2diffusion.word import normalise_word, split_words

_POSITIONS = "clip_l.transformer.text_model.embeddings.position_embedding"


class PlacedVector(dict):
    """ComfyUI's token for an embedding, made for one place in its chunk; equal to the same token at other places.

    read: gives the vector, and is called when the host encodes: nodes behind may patch the text encoder.
    """

    def __init__(self, name: tuple[str, int], read: Callable[[], Tensor] | None = None):
        super().__init__(type="embedding")
        self.name, self._read = name, read

    def get(self, key, default=None):
        return self._read() if key == "data" and self._read else super().get(key, default)

    def __eq__(self, other) -> bool:
        return isinstance(other, PlacedVector) and self.name == other.name

    __hash__ = None


class _Vectors:
    """What the host takes for a file with two vectors: hands out names, for which `_place` puts in the vectors."""

    def __init__(self, word: str, width: int):
        self.word, self.shape = word, (2, width)

    def __getitem__(self, number: int) -> PlacedVector:
        return PlacedVector((self.word, number))


class WordTokenizer(SDTokenizer):
    """ComfyUI's tokenizer of CLIP-L with words for people; made by `name_person`.

    people: {word: vectors [2, D]}; positions: the text encoder's position embedding. Face2Diffusion's vectors take
    the place of token and position embedding together, and the host adds the latter, so it is taken off here.
    """

    people: dict[str, Tensor]
    positions: nn.Embedding

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs) -> list[list[tuple]]:
        parts = split_words(text, self.people)
        if len(parts) > 1 and kwargs.get("disable_weights"):
            raise CaptionError(
                f"This prompt is to be read letter by letter, so '{parts[1]}' would not be the person. In 'Inject "
                "Facial Tokens' choose the alignment auto or matched."
            )
        for place in range(1, len(parts), 2):
            parts[place] = f" {self.embedding_identifier}{self._name_file(parts[place])} "
        chunks = super().tokenize_with_weights("".join(parts), return_word_ids, **kwargs)
        return [self._place(chunk) for chunk in chunks]

    def _place(self, chunk: list[tuple]) -> list[tuple]:
        """The chunk with vectors; those of other encoders are left out later, and what follows moves forward."""
        placed, moved = [], 0
        for index, (token, *more) in enumerate(chunk):
            if isinstance(token, PlacedVector):
                word, number = token.name
                read = partial(_take_position_off, self.people[word][number], self.positions, index - moved)
                token = PlacedVector(token.name, read)
            elif isinstance(token, Tensor) and token.shape[-1] != self.positions.weight.shape[-1]:
                moved += 1
            placed.append((token, *more))
        return placed

    def _try_get_embedding(self, embedding_name: str):
        """The host's way to read the file behind "embedding:NAME". Newer hosts want the name too, before the rest."""
        name, _, rest = embedding_name.partition(" ")
        word = next((word for word in self.people if self._name_file(word) == name), None)
        vectors, *name, following = super()._try_get_embedding(embedding_name)
        return (
            (vectors, *name, following)
            if word is None
            else (_Vectors(word, self.people[word].shape[-1]), *name, rest.strip())
        )

    def _name_file(self, word: str) -> str:
        """No name a file could have, nor anything the host reads as emphasis."""
        return f"/{word.replace(' ', '/')}/"


def name_person(clip, person: TextIdentity, word: str):
    """A clone of an SD1.x CLIP in whose prompts `word` is the person; `clip` and its other clones do not know it.

    IncompatibleModelError for the CLIP of another model, CaptionError for a word that is taken or cannot be one.
    """
    word = normalise_word(word)
    found = sorted(clip.tokenize("")) if clip else []
    if found != ["l"]:
        raise IncompatibleModelError(
            "Face2Diffusion makes tokens for the text encoder of SD1.4 and SD1.5 (l), but this CLIP has "
            f"{' and '.join(found) or 'none'}. Use the CLIP of an SD1.x checkpoint."
        )
    known = clip.tokenizer.clip_l
    people = getattr(known, "people", {})
    if word in people:
        raise CaptionError(f"'{word}' stands for another person already. Give this one a word of its own.")
    positions = clip.cond_stage_model.get_submodule(_POSITIONS)
    made, read = person.vectors.shape[-1], positions.weight.shape[-1]
    if made != read:
        raise IncompatibleModelError(
            f"This person's tokens are of {made} values, but the text encoder of this CLIP reads {read}: the mapping "
            "network was trained for another base model."
        )
    named, outer, tokenizer = clip.clone(), copy.copy(clip.tokenizer), copy.copy(known)
    if not isinstance(known, WordTokenizer):  # another pack may have its own kind here
        tokenizer.__class__ = type("WordTokenizer", (WordTokenizer, type(known)), {})
    tokenizer.embedding_directory = known.embedding_directory or []
    tokenizer.people = {**people, word: person.vectors}
    tokenizer.positions = positions
    outer.clip_l, named.tokenizer = tokenizer, outer
    return named


def _take_position_off(vector: Tensor, positions: nn.Embedding, place: int) -> Tensor:
    return vector - positions.weight[place].to(vector)
