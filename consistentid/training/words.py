"""Face2Diffusion's samples and frozen models: a picture, its face, and the text in which a word is the person."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..adapter.config import AdapterConfig
from ..face2diffusion.word import PUBLISHED_WORD
from ..headless.clip_text import PERSON
from .config import MappingConfig
from .faces import Faces
from .noise import FrozenBase
from .samples import fit_image, fit_labels, make_face_mask, make_generator, scale_pixels, shuffle
from .text import encode_texts, mark_plain


@dataclass(frozen=True)
class WordSample:
    """One picture of the run; ordinal: see Sample. image: [3, S, S], -1..1; face: [1, S, S], 0 or 1; features: [F] and
    expression: [E] of its person; text: in which a class word stands for the person."""

    ordinal: int
    image: Tensor
    face: Tensor
    features: Tensor
    expression: Tensor
    text: str


class WordSamples(Dataset):
    """The run's samples by ordinal, as TrainingSamples has them."""

    def __init__(self, faces: Faces, config: MappingConfig):
        self.faces, self.records, self.config = faces, faces.records, config

    def __getitem__(self, ordinal: int) -> WordSample:
        epoch, place = divmod(ordinal, len(self.records))
        return self.read(shuffle(len(self.records), self.config.seed, epoch)[place], ordinal)

    def read(self, number: int, ordinal: int) -> WordSample:
        """Record `number` as sample `ordinal`."""
        record, square = self.records[number], (self.config.resolution, self.config.resolution)
        stored = record.read_image()
        return WordSample(
            ordinal=ordinal,
            image=scale_pixels(fit_image(stored, square)),
            face=make_face_mask(fit_labels(record.read_labels(*stored.shape[:2]), square)),
            features=self.faces.features[number],
            expression=self.faces.expressions[number],
            text=self.config.class_prompt.replace("{caption}", record.caption),
        )


@dataclass(frozen=True)
class WordInputs:
    """Of B pictures. noisy, target, timesteps, loss_mask: as in ModelInputs; loss_mask is the face.

    ids: [B][77], in which the ids from PERSON down stand for the people of the rows; class_text: [B, 77, D] of the same
    texts with the class word. features: [B, F]; expressions: [B, E], which count where strengths [B] is 1, not where it
    is 0; seeds: of each row's dropout.
    """

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    loss_mask: Tensor
    ids: list[list[int]]
    class_text: Tensor
    features: Tensor
    expressions: Tensor
    strengths: Tensor
    seeds: list[int]

    def as_arguments(self) -> dict:
        return {item.name: getattr(self, item.name) for item in fields(self)}


class FrozenWords(FrozenBase):
    """VAE, text encoder and noise schedule; the text encoder knows PUBLISHED_WORD."""

    def __init__(self, pipeline, base: AdapterConfig, config: MappingConfig, device, dtype: torch.dtype):
        super().__init__(pipeline, base, config, device, dtype)
        self.words, self.null_probability = config.class_words, config.null_probability
        self.clip.words = [PUBLISHED_WORD]

    @torch.no_grad()
    def encode(self, samples: list[WordSample]) -> WordInputs:
        """Everything for one micro-batch. The same samples give the same inputs, in whatever batch they come."""
        images = torch.stack([sample.image for sample in samples]).to(self.device)
        mean, spread = self._encode_images(images).unbind(1)
        chances = [self.draw_chance(sample.ordinal, mean.shape[1:]) for sample in samples]
        known = [self._draw_expression(sample.ordinal) for sample in samples]
        named = [self._name_person(sample.text) for sample in samples]
        class_texts = [mark_plain(self.clip, sample.text) for sample in samples]
        return WordInputs(
            **self._add_noise(mean, spread, chances),
            loss_mask=self._fit_masks([sample.face for sample in samples], mean.shape[-2:]),
            ids=[number_people(ids, row) for row, ids in enumerate(named)],
            class_text=encode_texts(self.clip, class_texts)[0],
            features=torch.stack([sample.features for sample in samples]).to(self.device),
            expressions=torch.stack([sample.expression for sample in samples]).to(self.device),
            strengths=torch.tensor([float(is_known) for is_known, _ in known], device=self.device),
            seeds=[seed for _, seed in known],
        )

    def _name_person(self, text: str) -> list[int]:
        """Ids of a text with the word, in front where the class word is cut off."""
        named = (put_word(text, words) for words in (self.words, ()))
        ids = (mark_plain(self.clip, one).ids[0] for one in named)
        return next(one for one in ids if min(one) <= PERSON)

    def _draw_expression(self, ordinal: int) -> tuple[bool, int]:
        """Whether a sample's expression is told, and the seed of its dropout."""
        generator = make_generator(self.config.seed, 2, ordinal)
        is_known = float(torch.rand((), generator=generator)) >= self.null_probability
        return is_known, int(torch.randint(1 << 62, (), generator=generator))


def put_word(text: str, class_words: Iterable[str], word: str = PUBLISHED_WORD) -> str:
    """The text with the word in place of the first class word in it; in front where there is none.

    >>> put_word("A woman, smiling", ("a person", "a woman"))
    'f l, smiling'
    >>> put_word("smiling", ("a person",))
    'f l, smiling'
    """
    longest = sorted(class_words, key=len, reverse=True)
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)"
    replaced, count = re.subn(pattern, word, text, count=1, flags=re.IGNORECASE) if longest else (text, 0)
    return replaced if count else f"{word}, {text}" if text else word


def number_people(ids: list[int], row: int) -> list[int]:
    """The ids of the first person as those of the person of a row."""
    return [token - 2 * row if token <= PERSON else token for token in ids]
