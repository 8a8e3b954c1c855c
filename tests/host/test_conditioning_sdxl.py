"""The SDXL text stage: two encoders, pooled embeddings, and a negative prompt that waits for the merge point."""

import pytest
import torch

pytestmark = [pytest.mark.host, pytest.mark.slow]

KEYS = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")


class LookupClip:
    """SDXL's tokenizers in front of seeded token vectors: every row shows which token it came from."""

    def __init__(self):
        from comfy.sdxl_clip import SDXLTokenizer

        self.tokenizer = SDXLTokenizer()
        generator = torch.Generator().manual_seed(0)
        self.vectors = {e: torch.randn(49408, w, generator=generator) for e, w in (("l", 768), ("g", 1280))}

    def tokenize(self, text, return_word_ids=False, **options):
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **options)

    def encode_from_tokens_scheduled(self, tokens):
        texts = [
            torch.cat([vectors[torch.tensor([token for token, *_ in chunk])] for chunk in tokens[encoder]])
            for encoder, vectors in self.vectors.items()
        ]
        length = min(len(text) for text in texts)
        pooled = texts[1][:77].mean(0, keepdim=True)
        return [[torch.cat([text[:length] for text in texts], dim=-1)[None], {"pooled_output": pooled}]]


@pytest.fixture(scope="module")
def clip(host):
    return LookupClip()


@pytest.fixture(scope="module")
def hosted(host, tiny):
    return tiny.make_sdxl_adapter(host)


@pytest.fixture
def identity(make_identity):
    return make_identity(KEYS)


def inject(host, clip, hosted, identity, alignment="auto"):
    result = host.nodes.conditioning.InjectTokens.execute(
        clip, hosted, identity, "a person in a forest", "blurry", 0.6, alignment, ""
    ).result
    stages = lambda conds: {entry[1].get("consistentid_stage", {}).get("name"): entry for entry in conds}  # noqa: E731
    return stages(result[0]), stages(result[1]), result[2]


def rows_that_differ(a, b, channels):
    return (a[..., channels] != b[..., channels]).any(-1)[0].nonzero().flatten().tolist()


def test_both_stages(host, clip, hosted, identity):
    positive, negative, marked = inject(host, clip, hosted, identity)
    bare = clip.encode_from_tokens_scheduled(clip.tokenize("a person in a forest"))[0]
    whole = clip.encode_from_tokens_scheduled(clip.tokenize(marked.replace("<|facial|>", "")))[0]
    plain_negative = clip.encode_from_tokens_scheduled(clip.tokenize("blurry"))[0]
    assert "; Detail:" in marked
    assert torch.equal(positive["text"][0], bare[0])
    assert torch.equal(positive["text"][1]["pooled_output"], bare[1]["pooled_output"])
    assert torch.equal(positive["facial"][1]["pooled_output"], whole[1]["pooled_output"])
    assert torch.equal(negative["text"][0], plain_negative[0])
    for channels in (slice(0, 768), slice(768, 2048)):
        rows = rows_that_differ(positive["facial"][0], whole[0], channels)
        assert len(rows) == 5
        assert rows_that_differ(negative["facial"][0], plain_negative[0], channels) == rows


def test_published_has_facial_tokens_in_the_negative_of_both_stages(host, clip, hosted, identity):
    positive, negative, marked = inject(host, clip, hosted, identity, "published")
    assert set(positive) == {"text", "facial"} and set(negative) == {None}
    encoder = host.nodes.text.clip.HostedText(clip)
    plain = host.consistentid.prompt.encode.encode_plain(encoder, "blurry", published=True)[0]
    assert len(rows_that_differ(negative[None][0], plain[0], slice(0, 2048))) == 5
    literal = encoder.tokenize_literally(marked)["g"].ids
    assert len(literal) > len(encoder.tokenize_literally(marked.replace("<|facial|>", ""))["g"].ids)


def test_an_sd15_embedding_does_not_shift_the_second_encoder(host, clip, hosted, identity, tmp_path):
    """The host drops its vectors in the second encoder, so words after it stand earlier there."""
    import safetensors.torch

    safetensors.torch.save_file({"emb_params": torch.zeros(5, 768)}, tmp_path / "freckles.safetensors")
    folder = [str(tmp_path)]
    clip.tokenizer.clip_l.embedding_directory = clip.tokenizer.clip_g.embedding_directory = folder
    prompt = host.consistentid.prompt.align.FacialPrompt(
        "embedding:freckles a face <|facial|>", "embedding:freckles a face ", "", ("Face",)
    )
    try:
        encoder = host.nodes.text.clip.HostedText(clip)
        positions = host.consistentid.prompt.tokens.place_markers(encoder, prompt).positions
    finally:
        clip.tokenizer.clip_l.embedding_directory = clip.tokenizer.clip_g.embedding_directory = None
    assert positions == {"l": [7], "g": [2]}
