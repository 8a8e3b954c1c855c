"""--attention: the maps are those of the run, and the run is not changed by it."""

import pytest
import torch
import torch.nn.functional as F
from headless_models import run_command
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.headless.attention_maps import RecordedRun
from consistentid.headless.clip_text import ClipText
from consistentid.headless.conditioning import encode_prompt
from consistentid.headless.pipeline import Sampling, load_pipeline, sample
from consistentid.headless.unet import install_adapter
from consistentid.identity.file import save_identity
from consistentid.prompt.compose import compose_for_identity

WATCHED = ("down_blocks.1", "down_blocks.2", "mid_block", "up_blocks.1", "up_blocks.2")


@pytest.fixture
def options(files, make_identity, tmp_path):
    identity = save_identity(make_identity(), tmp_path / "person.safetensors")
    words = ["--identity", identity, "--checkpoint", files["checkpoint"], "--adapter", files["adapter"], "--seed", 1]
    return [*words, "--prompt", "a photo of a woman", "--steps", 3, "--width", 64, "--height", 96]


def test_a_sheet_beside_the_pictures(options, tmp_path, capsys):
    words = (*options, "--attention", tmp_path / "heat.png")
    assert run_command(*words, "--batch", 2, "--out", tmp_path / "drawn.png") == 0
    assert "heat.png" in capsys.readouterr().out
    sheet = Image.open(tmp_path / "heat.png")
    assert sheet.width == 7 * (235 + 6) + 6 and sheet.height > 2 * 350  # a row for each picture: one facial step
    with pytest.raises(ConsistentIDError, match=r"is there already.*--attention"):
        run_command(*words, "--out", tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


def test_what_cannot_be_shown_is_said_before_drawing(options, tmp_path):
    for more, said in (
        (["--merge-at", 1, "--attention", tmp_path / "x.png"], "leave out --no-consistentid, and --merge-at 1"),
        (["--attention", tmp_path / "x.jpg"], "x.jpg is no PNG of its own"),
        (["--attention", tmp_path / "out.png"], "out.png is no PNG of its own"),
    ):
        with pytest.raises(ConsistentIDError, match=said):
            run_command(*options, "--out", tmp_path / "out.png", *more)
    assert not (tmp_path / "out.png").exists()


def test_maps_are_those_of_plain_attention(files, adapter, make_identity):
    pipeline = load_pipeline(files["checkpoint"], adapter.config)
    pipeline.set_progress_bar_config(disable=True)
    identity, clip = make_identity(), ClipText(pipeline, adapter.config)
    composed = compose_for_identity("a woman", "", identity, adapter.config, clip)
    conditioning = encode_prompt(clip, adapter, identity, composed)
    assert sorted(conditioning.tokens) == ["ears", "eyes", "face", "mouth", "nose"]
    installed, sampling = install_adapter(pipeline.unet, adapter), Sampling(3, 5.0, 64, 96, 0.5, (0, 1))
    plain = sample(pipeline, conditioning, sampling, output_type="latent")
    run, seen = RecordedRun(installed, conditioning.tokens, sampling, 8), []
    for name, module in pipeline.unet.named_modules():
        if name.endswith("attn2") and name.startswith(WATCHED):
            module.register_forward_hook(
                lambda attn, args, kwargs, _: seen.append((attn, args, kwargs)), with_kwargs=True
            )
    watched = sample(pipeline, conditioning, sampling, callback_on_step_end=run, output_type="latent")
    assert torch.equal(plain, watched)
    layers = seen[2 * len(seen) // 3 :]
    for picture, found in enumerate(run.read()):
        assert (found.steps, found.count) == ((3,), 3)
        for region, maps in found.maps.items():
            own = [attend(*layer, 2 + picture, conditioning.tokens[region]) for layer in layers]
            assert torch.allclose(maps, torch.stack(own).mean(0)[None], atol=1e-6)


def attend(attn, args, kwargs, row: int, positions) -> torch.Tensor:
    """Mean over the heads of what some tokens get together of one layer, [6, 4]."""
    low = attn.processor
    query = attn.to_q(args[0][row]) + low.to_q_lora.up(low.to_q_lora.down(args[0][row]))
    text = kwargs["encoder_hidden_states"][row]
    key = attn.to_k(text) + low.to_k_lora.up(low.to_k_lora.down(text))
    pairs = zip(query.chunk(attn.heads, 1), key.chunk(attn.heads, 1), strict=True)
    shares = [(q @ k.T * q.shape[1] ** -0.5).softmax(1)[:, list(positions)].sum(1) for q, k in pairs]
    height = round((len(query) * 96 / 64) ** 0.5)
    return F.interpolate(torch.stack(shares).mean(0).view(1, 1, height, -1), (6, 4), mode="bilinear")[0, 0]
