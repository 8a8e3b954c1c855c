"""Words for people, expression codes, and the training loss of Face2Diffusion."""

import doctest

import pytest
import torch

import consistentid.face2diffusion.word as word_module
from consistentid.errors import CaptionError, ConsistentIDError
from consistentid.face2diffusion.expression import parse_expression
from consistentid.face2diffusion.regularisation import compute_class_guided_loss
from consistentid.face2diffusion.word import normalise_word, require_word, split_words


def test_examples():
    results = doctest.testmod(word_module)
    assert results.attempted >= 2 and results.failed == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a photo of f l", ["f l"]),
        ("F  L and f\nl", ["f l", "f l"]),
        ("Anna's coat, (anna:1.2), ANNA", ["anna"] * 3),
        ("anna maria and anna", ["anna maria", "anna"]),
        ("annabel, hanna, anna_2, of lf l", []),
        ("embedding:anna-style by anna", ["anna"]),
        ("portrait of annaDetail:a round face", ["anna"]),
        ("the annadetail:", []),
        ("Élodie, élodie", ["élodie", "élodie"]),
        ("", []),
    ],
)
def test_where_words_are(text, found):
    parts = split_words(text, ["anna", "anna maria", "f l", "élodie"])
    assert parts[1::2] == found
    assert len(parts) == 2 * len(found) + 1


def test_text_around_words_is_kept():
    assert split_words("(a f l, ", ["f l"]) == ["(a ", "f l", ", "]
    assert split_words("f l", []) == ["f l"]


@pytest.mark.parametrize("word", ["", " ", "(anna)", "a:1.2", "anna,", "embedding:x", "-", "<A>", "1", "2 0", "1_2"])
def test_words_a_prompt_cannot_hold(word):
    with pytest.raises(CaptionError, match="cannot stand for a person"):
        normalise_word(word)


def test_words_are_normalised():
    assert [normalise_word(word) for word in ("F L", " Jean-Luc ", "sks")] == ["f l", "jean-luc", "sks"]


def test_a_prompt_must_hold_the_word():
    require_word("a photo of Anna.", "anna")
    with pytest.raises(CaptionError, match=r"does not hold 'anna'.*reads: 'a photo of annabel'"):
        require_word("a photo of annabel", "anna")


def test_expression_codes():
    assert parse_expression(" ") is None
    code = parse_expression("[" + ", ".join(str(number / 4) for number in range(64)) + "]\n")
    assert torch.equal(code, torch.arange(64) / 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2 3", "this one has 3"), ("1, two", "no number"), (" ".join(["1"] * 63 + ["nan"]), "this one has 63")],
)
def test_wrong_expression_codes(text, message):
    with pytest.raises(ConsistentIDError, match=message):
        parse_expression(text)


@torch.inference_mode(False)
@torch.enable_grad()
def test_class_guided_loss_by_hand():
    """A face pixel, a background pixel, and one half of each; squares 4, 9 and 0.25, over three."""
    mask = torch.tensor([[[[1.0, 0.0, 0.5]]]])
    predicted = torch.tensor([[[[3.0, 3.0, 3.0]]]], requires_grad=True)
    noise = torch.tensor([[[[1.0, 1.0, 2.0]]]])
    class_predicted = torch.tensor([[[[8.0, 6.0, 5.0]]]], requires_grad=True)
    loss = compute_class_guided_loss(predicted, noise, class_predicted, mask)
    assert float(loss.detach()) == pytest.approx((4 + 9 + 0.25) / 3)
    loss.backward()
    assert class_predicted.grad is None
    assert predicted.grad.flatten().tolist() == pytest.approx([2 * 2 / 3, 2 * -3 / 3, 2 * -0.5 / 3])


def test_class_guided_loss_without_background_is_the_usual_one():
    predicted, noise, other = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(2, 1, 8, 8)
    usual = torch.nn.functional.mse_loss(predicted, noise)
    assert torch.isclose(compute_class_guided_loss(predicted, noise, other, everywhere), usual)
    nowhere = torch.nn.functional.mse_loss(predicted, other)
    assert torch.isclose(compute_class_guided_loss(predicted, noise, other, 0 * everywhere), nowhere)
