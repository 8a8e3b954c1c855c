"""A prompt with the facial description of each person, and what of it was placed."""

from collections.abc import Sequence

from ..adapter.config import BASE_SENTENCES, AdapterConfig
from ..errors import CaptionError
from ..face.region_words import REGION_WORDS
from ..identity import Identity
from ..identity.person import check_caption
from ..plural import count
from ..ports import TextEncoder
from .align import FacialPrompt, compose_prompt
from .group import GroupPrompt, compose_group, find_letter, names_people
from .tokens import make_counter


def compose_text(
    prompt: str,
    caption: str,
    people: Sequence[Identity],
    config: AdapterConfig,
    encoder: TextEncoder,
    alignment: str = "auto",
) -> FacialPrompt:
    """The prompt with the facial description of one person, or of each where there are several or the prompt says of
    whom it speaks."""
    if len(people) > 1 or names_people(prompt):
        return compose_for_people(prompt, caption, people, config, alignment)
    return compose_for_identity(prompt, caption, people[0], config, encoder, alignment)


def compose_for_identity(
    prompt: str,
    caption: str,
    identity: Identity,
    config: AdapterConfig,
    encoder: TextEncoder,
    alignment: str = "auto",
) -> FacialPrompt:
    """The prompt with the person's facial description.

    caption: "" for the identity's own, and where that is empty the fixed sentence. CaptionError when the caption names
    no region of the photo at all.
    """
    caption = _choose_caption(caption, identity, config)
    counter = make_counter(encoder, alignment)
    composed = compose_prompt(prompt, caption, identity.regions, config, counter, alignment)
    if not composed.is_published:
        _check_regions(caption, identity, composed.regions)
    return composed


def compose_for_people(
    prompt: str, caption: str, people: Sequence[Identity], config: AdapterConfig, alignment: str = "auto"
) -> GroupPrompt:
    """The prompt with the facial descriptions of several people (see `compose_group`); each has its own caption."""
    if alignment == "published":
        raise CaptionError("The alignment 'published' knows one person only; choose auto or matched.")
    if caption.strip():
        raise CaptionError(
            "One caption cannot describe several people. Leave 'caption' open here, and give each person a caption in "
            "'Encode Identity'."
        )
    captions = [_choose_caption("", person, config) for person in people]
    composed = compose_group(prompt, captions, [person.regions for person in people], config, alignment)
    for text, person, marked in zip(captions, people, composed.captions, strict=True):
        _check_regions(text, person, marked.regions)
    return composed


def find_owners(composed: FacialPrompt) -> tuple[int, ...]:
    """For each region of a prompt the number of the person it belongs to."""
    return composed.owners if isinstance(composed, GroupPrompt) else (0,) * len(composed.regions)


def describe_placement(composed: FacialPrompt, people: Sequence[Identity], config: AdapterConfig) -> str:
    """Which facial tokens were placed, with their strengths where not 1, which were not, and which the adapter was not
    trained with; a line for each person."""
    if isinstance(composed, GroupPrompt):
        pairs = [(marked.regions, marked.unplaced) for marked in composed.captions]
    else:
        pairs = [(composed.regions, composed.unplaced)]
    lines = []
    for number, (person, (placed, unplaced)) in enumerate(zip(people, pairs, strict=True)):
        report = f"{count(len(placed), 'facial token')}: {_name_regions(placed, person) or 'none'}."
        report += f" No word for: {_name_regions(unplaced, person)}." if unplaced else ""
        unknown = [word for word in map(REGION_WORDS.__getitem__, placed) if word not in config.regions]
        report += f" This adapter was not trained with: {', '.join(unknown)}." if unknown else ""
        lines.append(report if len(pairs) == 1 else f"{find_letter(number)}: {report}")
    return "\n".join(lines)


def _choose_caption(caption: str, identity: Identity, config: AdapterConfig) -> str:
    caption = caption.strip() or identity.caption
    check_caption(caption)
    return config.fixed_sentence if not caption or caption in BASE_SENTENCES else caption


def _check_regions(caption: str, identity: Identity, placed: Sequence[str]) -> None:
    if identity.regions and not placed:
        words = ", ".join(REGION_WORDS[key] for key in identity.regions)
        raise CaptionError(
            f"The facial description names none of the regions found in the photo ({words}), so no "
            "facial token can be placed. Mention face, ears, eyes, nose or mouth in it, or leave it empty for "
            f"the fixed sentence. It reads: '{caption[:200]}'"
        )


def _name_regions(keys: Sequence[str], person: Identity) -> str:
    strengths = {key: person.strengths.get(key, 1.0) for key in keys}
    return ", ".join(REGION_WORDS[key] + (f" ({x:g})" if x != 1 else "") for key, x in strengths.items())
