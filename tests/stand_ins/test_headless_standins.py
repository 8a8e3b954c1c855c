"""Tiny models in diffusers' formats: the same every time, with a vocabulary like CLIP's."""

import headless_standins


def test_the_vocabulary_is_clips(tmp_path):
    """Words of the fixed sentence are one token each; any other text is spelt, and comes back whole."""
    headless_standins.write_tokenizer(tmp_path / "tokenizer")
    tokenizer = headless_standins._read_tokenizer(tmp_path / "tokenizer")
    ids = tokenizer("The person has one face").input_ids
    assert len(ids) == 5 + 2 and (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    text = "zebra & crème brûlée, 42 %"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_what_an_interrupted_run_left_is_no_obstacle(tmp_path, monkeypatch):
    """A part is a folder or a file."""
    monkeypatch.setattr(headless_standins, "HOME", tmp_path / "home")
    monkeypatch.setattr(headless_standins, "write_face_parser", lambda path: path.write_bytes(b"new"))
    monkeypatch.setattr(headless_standins, "write_clip_vision", headless_standins.write_tokenizer)
    folder = headless_standins._open_folder()
    (folder / "face_parsing.pth.part").mkdir()
    (folder / "face_parsing.pth.part" / "rest").touch()
    (folder / "clip_vision.part").touch()
    paths = headless_standins.prepare(["face_parser", "clip_vision"])
    assert paths["face_parser"].read_bytes() == b"new" and (paths["clip_vision"] / "vocab.json").is_file()
    assert set(folder.iterdir()) == set(paths.values())


def test_files_are_the_same_in_each_run(tmp_path):
    for folder in ("a", "b"):
        headless_standins.make_vae().save_pretrained(tmp_path / folder)
    name = "diffusion_pytorch_model.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
