"""Captions as a vision-language model writes them -> one clause per region."""

import doctest
import random

import pytest

from consistentid.caption import clauses as module
from consistentid.caption.clauses import LONGEST, find_missing, normalise_caption
from consistentid.face.region_words import REGION_WORDS
from consistentid.prompt.mark import WORDS, mark_caption, mark_matched

REGIONS = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
NEUTRAL = {"face": "a face", "ears": "two ears", "eyes": "two eyes", "nose": "a nose", "mouth": "a mouth"}

# A caption, and what its normal form says of the words it describes; the others get their neutral clause.
PARAGRAPHS = [
    (
        "The woman in the image has a beautiful face with a nice smile. Her eyes are large and brown, and her nose is "
        "small and straight. Her ears are not visible, as they are covered by her long hair. Her mouth is slightly "
        "open, showing her white teeth.",
        {
            "face": "beautiful face with a nice smile",
            "eyes": "eyes are large and brown",
            "nose": "nose is small and straight",
            "mouth": "mouth is slightly open",
            "hair": "long hair",
        },
    ),
    (
        "The man in the image has a beard, a nose, and a mouth. He has a smile on his face, and his eyes are blue. "
        "His ears are visible as well.",
        {"eyes": "eyes are blue"},
    ),
    (
        "This person has an oval face, large ears, almond-shaped eyes, a straight nose and a wide mouth.",
        {
            "face": "oval face",
            "ears": "large ears",
            "eyes": "almond-shaped eyes",
            "nose": "straight nose",
            "mouth": "wide mouth",
        },
    ),
    (
        "**Face:** Oval, with high cheekbones and a strong jaw\n- **Ears:** Medium-sized, close to the head\n"
        "- **Eyes:** Large, brown, almond-shaped\n- **Nose:** Straight and narrow\n- **Mouth:** Full, slightly smiling",
        {
            "ears": "ears: medium-sized",
            "face": "face: oval with high cheekbones",
            "eyes": "eyes: large and brown and almond-shaped",
            "nose": "nose: straight and narrow",
            "mouth": "mouth: full and slightly smiling",
        },
    ),
    (
        "1. Face: The face is round and soft.\n2. Ears: The ears are small.\n3. Eyes: The eyes are light green; "
        "deep-set.\n4. Nose: The nose is broad.\n5. Mouth: The mouth is wide, with thin lips.",
        {
            "face": "face is round and soft",
            "ears": "ears are small",
            "eyes": "eyes are light green",
            "nose": "nose is broad",
            "mouth": "mouth is wide",
        },
    ),
    (
        "The person's facial features include a strong jawline, a prominent nose, and a full mouth. Their ears are "
        "small and close to the head. The eyes are dark, expressive, and slightly narrowed, giving the face an "
        "intense look.",
        {
            "ears": "ears are small and close to the head",
            "eyes": "eyes are dark and expressive and slightly narrowed",
            "nose": "prominent nose",
            "mouth": "full mouth",
        },
    ),
    (
        "She has large, brown, expressive eyes and a small, upturned nose. Her complexion is fair and freckled, and "
        "her lips are painted red.",
        {
            "face": "complexion is fair and freckled",
            "eyes": "large brown expressive eyes",
            "nose": "small upturned nose",
            "mouth": "lips are painted red",
        },
    ),
    (
        "He has a warm smile and brown eyes that are slightly squinted. A beard, thin lips; his nose (broken once) "
        "is crooked.",
        {"eyes": "brown eyes that are slightly squinted", "mouth": "thin lips"},
    ),
    (
        "The image shows a close-up of an elderly woman. Her skin is wrinkled; her eyes, which are deep blue, look "
        "straight at the camera. Her nose is long (about 5.5 cm) and her mouth is closed in a gentle smile. She is "
        "wearing earrings on both ears.",
        {
            "face": "skin is wrinkled",
            "eyes": "eyes which are deep blue",
            "nose": "nose is long",
            "mouth": "mouth is closed in a gentle smile",
        },
    ),
    (
        "The person is a woman with a wide smile, and her eyes are looking directly at the camera. Her nose is in the "
        "center of her face, and her mouth is open in a smile. Her ears are pierced and adorned with earrings.",
        {
            "ears": "ears are pierced and adorned with earrings",
            "eyes": "eyes are looking directly at the camera",
            "mouth": "mouth is open in a smile",
        },
    ),
    (
        "Facial features: round face, brown eyes, flat nose, wide mouth, pierced ears",
        {
            "face": "round face",
            "ears": "pierced ears",
            "eyes": "brown eyes",
            "nose": "flat nose",
            "mouth": "wide mouth",
        },
    ),
    (
        "A young man's face is lean and angular with a sharp jawline and light stubble that runs along his chin and up "
        "to his ears, while his eye-catching smile draws attention to the man's mouth.",
        {"face": "face is lean and angular with a sharp jawline and light stubble"},
    ),
    ("There is no face in this image.", {}),
    ("The person has one face, one nose, two eyes, two ears, and one mouth.", {}),
    ("A dog on a lawn.", {}),
    ("", {}),
]


@pytest.mark.parametrize(("caption", "described"), PARAGRAPHS, ids=range(len(PARAGRAPHS)))
def test_paragraphs(caption, described):
    expected = [described.get(word) or NEUTRAL[word] for word in WORDS if word in described or word in NEUTRAL]
    assert normalise_caption(caption) == ", ".join(expected)


def check_normal(normal: str) -> None:
    clauses = normal.split(", ")
    assert find_missing(normal) == ()
    extra = [word for word in WORDS[5:] if word not in find_missing(normal, WORDS)]
    for clause, word in zip(clauses, [*NEUTRAL, *extra], strict=True):
        assert find_missing(clause, WORDS) == tuple(other for other in WORDS if other != word), clause
        assert len(clause.split()) <= LONGEST
    assert normalise_caption(normal) == normal
    marked = mark_caption(normal, REGIONS)
    assert marked.unplaced == ()
    assert [REGION_WORDS[key] for key in marked.regions] == list(NEUTRAL)
    assert [clause.count("<|facial|>") for clause in marked.text.split(",")[:-1]] == [1] * 5
    assert len(mark_caption(normal, (*REGIONS, "Brows", "Hair")).unplaced) == 2 - len(extra)


@pytest.mark.parametrize("caption", [caption for caption, _ in PARAGRAPHS], ids=range(len(PARAGRAPHS)))
def test_normal_form(caption):
    check_normal(normalise_caption(caption))


WORDLIST = (
    "face ears ear eyes Eye nose mouth LIPS skin complexion hair brows eye-brows facial "
    "his her a an the one two has have with is are that which "
    "and and , , , . ; : ! ? ( ) [ ] - — * : not visible large brown small oval blue eye-catching 's’s 1.2 5 "
    "(face:1.3) embedding:ears <|facial|> <|face|> | \\( \\) é 目 ſkin \0"
)
PIECES = [*WORDLIST.split(" "), "\n", "facial features", "as if while giving framed by"]


def test_any_text_keeps_every_region():
    source = random.Random(0)
    for _ in range(1500):
        glue = source.choice(["", " ", " "])
        caption = glue.join(source.choices(PIECES, k=source.randrange(60)))
        try:
            check_normal(normalise_caption(caption))
        except Exception as error:
            raise AssertionError(f"{caption!r} -> {normalise_caption(caption)!r}") from error


def test_a_caption_in_the_form_stays_as_written():
    caption = "(A round Face:1.2), Small ears, blue eyes, (flat nose:0.9), embedding:smile wide mouth"
    assert normalise_caption(caption) == caption


def test_a_clause_has_at_most_sixteen_words():
    looks = "big and bright and blue and clear and calm and kind and warm"
    assert normalise_caption(f"Her eyes are {looks} and shy.") == f"a face, two ears, eyes are {looks}, a nose, a mouth"
    mouth = "a round face, small ears, blue eyes, a flat nose, a mouth that is {}wide"
    assert normalise_caption(mouth.format("very " * 11)) == mouth.format("very " * 11)
    assert normalise_caption(mouth.format("very " * 12)) != mouth.format("very " * 12)


def test_a_long_clause_of_a_face_is_kept_whole():
    face = "wrinkled heart-shaped face with dark brown skin and rosy cheeks and full beard and round glasses"
    caption = f"{face}, small ears, round eyes, button nose, full mouth"
    assert normalise_caption(caption) == caption


def test_emphasis_and_embeddings_are_dropped_from_other_captions():
    caption = "(blue eyes:1.2) and embedding:ears a (flat nose:0.9)"
    assert normalise_caption(caption) == "a face, two ears, blue eyes, flat nose, a mouth"


def test_a_clause_that_would_lose_its_word_is_left_out():
    assert normalise_caption("He has facial *hair* and thin lips") == "a face, two ears, two eyes, a nose, thin lips"


def test_a_shared_clause_is_divided():
    caption = "green eyes above a straight nose in a round face"
    assert len(set(mark_matched(caption, REGIONS).text.split(","))) == 2, "one clause"
    assert normalise_caption(caption) == "round face, two ears, green eyes, straight nose, a mouth"


def test_chosen_words():
    assert normalise_caption("Blue eyes, a flat nose.", ("nose", "eyes")) == "flat nose, blue eyes"
    assert find_missing("a flat nose", ("mouth", "nose", "face")) == ("mouth", "face")
    assert find_missing("grey hair") == tuple(NEUTRAL)
    assert find_missing("bushy eye brows, facial hair", WORDS) == (*NEUTRAL, "hair")


def test_eyebrows_and_hair_get_a_clause_only_where_they_are_described():
    caption = "Under thick eyebrows and short grey hair his eyes are dark. He has facial hair."
    assert normalise_caption(caption) == (
        "a face, two ears, eyes are dark, a nose, a mouth, thick eyebrows, short grey hair"
    )
    assert normalise_caption("The hair and the brows, a flat nose") == "a face, two ears, two eyes, flat nose, a mouth"


def test_documented_examples():
    assert doctest.testmod(module).failed == 0
