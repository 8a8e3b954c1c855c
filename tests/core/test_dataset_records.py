"""Records as they lie on disk: what is written is read back, in both spellings of the authors, and damage is named."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.caption.describe import QUESTION
from consistentid.dataset.captions import FIXED, QUESTIONS, caption_records
from consistentid.dataset.check import CELL_PX, check_records, draw_record, draw_records
from consistentid.dataset.people import spread_people
from consistentid.dataset.records import DatasetError, read_records, write_record
from consistentid.dataset.run import list_photos, merge_records, read_captions
from consistentid.face.region_words import PUBLISHED_REGIONS
from consistentid.whole_file import replace_file

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
EMBEDDING = np.eye(512, dtype=np.float32)[3]
TEXTS = {"caption": "A man in a park.", "facial_caption": "He has a round face and a small nose."}


@pytest.fixture
def labels():
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[10:50, 16:48] = 1
    labels[28:36, 30:34] = 10
    labels[50:, 8:56] = 16
    return labels


@pytest.fixture
def folder(tmp_path, labels):
    write_record(tmp_path, "a/one", IMAGE, labels, EMBEDDING, **TEXTS)
    write_record(tmp_path, "two", IMAGE[::-1].copy(), labels, None, **TEXTS)
    return tmp_path


def test_what_is_written_is_read(folder, labels):
    one, two = read_records(folder)
    assert (one.name, two.name) == ("a/one", "two")
    assert np.array_equal(one.read_image(), IMAGE) and np.array_equal(one.read_labels(64, 64), labels)
    stretched = one.read_labels(128, 192)
    assert stretched.shape == (128, 192) and np.array_equal(stretched[::2, ::3], labels)
    assert torch.equal(one.read_embedding(), torch.from_numpy(EMBEDDING))
    assert two.read_embedding() is None and two.caption == TEXTS["caption"]
    assert not np.array_equal(two.read_image(), IMAGE)
    assert torch.load(one.embedding, weights_only=True).shape == (1, 512)


def test_a_turned_photo_and_its_turned_label_map_still_fit(folder, labels):
    record = read_records(folder)[0]
    for path, pixels in ((record.image, IMAGE), (record.mask, labels)):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert np.array_equal(record.read_image(), IMAGE) and np.array_equal(record.read_labels(64, 64), labels)


def test_the_merged_list_is_the_same_set(folder):
    assert merge_records(folder) == 2
    single = read_records(folder)
    listed = read_records(folder / "JSON_all.json")
    assert [record.image for record in listed] == [record.image for record in single]
    assert [record.facial_caption for record in listed] == [record.facial_caption for record in single]


def test_the_authors_other_spelling(folder):
    """Keys of their README, folders of their scripts, and Windows' separators."""
    entries = json.loads((folder / "all_JSON/a/one.json").read_text())
    respelt = {
        "IMG": entries["resize_IMG"].replace("/", "\\"),
        "parsing_mask_IMG": entries["parsing_mask_IMG"],
        "vqa_llva": "x",
        "vqa_llva_facial": "y",
        "id_embed_file_resize": entries["id_embed_file_origin"],
    }
    (folder / "JSON_all.json").write_text(json.dumps([respelt]))
    names = {"resize_IMG": "FGID_resize", "parsing_mask_IMG": "FGID_parsing_mask", "all_faceID": "FGID_faceID"}
    for name, other in names.items():
        (folder / name).rename(folder / other)
    (record,) = read_records(folder / "JSON_all.json")
    assert (record.name, record.caption, record.facial_caption) == ("one", "x", "y")
    assert np.array_equal(record.read_image(), IMAGE) and record.read_embedding()[3] == 1
    respelt["vqa_llva_more_face_detail"] = "z"
    (folder / "JSON_all.json").write_text(json.dumps([respelt]))
    assert read_records(folder / "JSON_all.json")[0].facial_caption == "z"


def test_captions_by_another_captioner_under_its_name(folder):
    """As records of a set whose captions were made anew may have them; LLaVA's count first where they are there."""
    path = folder / "all_JSON/two.json"
    entry = json.loads(path.read_text())
    texts = {"vqa_qwen_facial": "By Qwen: small nose.", "vqa_qwen": "By Qwen: a park."}
    path.write_text(json.dumps(entry | texts))
    assert read_records(folder)[1].facial_caption == TEXTS["facial_caption"]
    path.write_text(json.dumps({key: text for key, text in entry.items() if "llva" not in key} | texts))
    record = read_records(folder)[1]
    assert (record.caption, record.facial_caption) == (texts["vqa_qwen"], texts["vqa_qwen_facial"])
    assert caption_records(folder, None) == 0 and merge_records(folder) == 2, "nothing is missing"
    path.write_text(json.dumps({key: text for key, text in entry.items() if "llva" not in key} | {"vqa_x": ""}))
    assert read_records(folder)[1].caption == ""


@pytest.mark.parametrize("before", ["", "FGID/", "/data/FGID/"])
def test_names_that_are_whole_paths(folder, before):
    """The authors' README calls IMG the path of an image."""
    entry = json.loads((folder / "all_JSON/a/one.json").read_text())
    paths = {"IMG": f"{before}resize_IMG/{entry['resize_IMG']}"}
    paths["parsing_mask_IMG"] = f"{before}parsing_mask_IMG/{entry['parsing_mask_IMG']}"
    paths["id_embed_file_resize"] = f"{before}all_faceID/{entry['id_embed_file_origin']}"
    (folder / "list.json").write_text(json.dumps([paths]))
    (record,) = read_records(folder / "list.json")
    assert np.array_equal(record.read_image(), IMAGE) and record.read_embedding()[3] == 1


def test_photos_in_a_folder_that_is_called_like_one_of_the_set(tmp_path, labels):
    """Each record is its own photo, also where the list names whole paths."""
    names = ("1.jpg", "IMG/1.jpg", "holiday/IMG/2.jpg")
    for number, name in enumerate(names):
        write_record(tmp_path, name, np.full_like(IMAGE, number), labels, None, **TEXTS)
    found = {record.name: record for record in read_records(tmp_path)}
    assert [found[name].read_image().max() for name in names] == [0, 1, 2]
    assert [found[name].mask.relative_to(tmp_path).parts[1:-1] for name in names] == [(), ("IMG",), ("holiday", "IMG")]
    entry = json.loads((tmp_path / "all_JSON/holiday/IMG/2.jpg.json").read_text())
    entry["resize_IMG"] = f"FGID/resize_IMG/{entry['resize_IMG']}"
    (tmp_path / "list.json").write_text(json.dumps([entry]))
    assert read_records(tmp_path / "list.json")[0].read_image().max() == 2


def test_captions_are_added_once_and_only_where_they_are_missing(tmp_path, labels):
    asked = []

    class Describer:
        def describe(self, photo, question):
            asked.append(question)
            return f" answer {len(asked)} "

    write_record(tmp_path, "none", IMAGE, labels, EMBEDDING)
    write_record(tmp_path, "half", IMAGE, labels, EMBEDDING, facial_caption="A nose.")
    assert merge_records(tmp_path) == 0
    assert caption_records(tmp_path, Describer()) == 2
    assert asked == [QUESTIONS[part] for part in ("caption", "caption", "facial_caption")]
    half, none = read_records(tmp_path)
    assert (half.caption, half.facial_caption) == ("answer 1", "A nose.")
    assert (none.caption, none.facial_caption) == ("answer 2", "answer 3")
    assert caption_records(tmp_path, None) == 0 and merge_records(tmp_path) == 2
    write_record(tmp_path, "haired", IMAGE, labels, EMBEDDING, caption="A man.")
    assert caption_records(tmp_path, Describer(), words=(*PUBLISHED_REGIONS, "hair")) == 1
    assert asked[-1] == QUESTION.replace("and mouth", "mouth, and hair")
    write_record(tmp_path, "third", IMAGE, labels, EMBEDDING)
    assert caption_records(tmp_path, None) == 1
    assert read_records(tmp_path)[3].facial_caption == FIXED["facial_caption"]


def test_check_tells_what_a_set_is_made_of_and_what_is_wrong(folder, labels):
    assert check_records(read_records(folder)).problems == []
    write_record(folder, "blank", IMAGE, labels * 0, EMBEDDING, **TEXTS)
    write_record(folder, "mute", IMAGE, labels, EMBEDDING)
    write_record(folder, "long", IMAGE, labels, EMBEDDING * 2, **TEXTS)
    write_record(folder, "gone", IMAGE, labels, EMBEDDING, **TEXTS)
    (folder / "parsing_mask_IMG/gone_mask.png").unlink()
    findings = check_records(read_records(folder))
    problems = dict(findings.problems)
    assert problems.keys() == {"blank", "mute", "long", "gone"}
    assert "shows no face" in problems["blank"] and "--captioner" in problems["mute"]
    assert "unit length: 2.000" in problems["long"] and "gone_mask.png" in problems["gone"]
    assert findings.regions == {"face": 2, "nose": 2} and findings.placed == {"face": 2, "nose": 2}
    assert findings.without_embedding == 1 and "cannot be used: 4." in findings.report()


def test_pictures_of_a_record_show_its_regions(folder):
    pictures = dict(draw_record(read_records(folder)[0]))
    assert list(pictures) == ["photo", "labels", "face", "nose"]
    nose = np.asarray(pictures["nose"])
    assert np.array_equal(nose[28:36, 30:34], IMAGE[28:36, 30:34]) and nose[:28].max() == 0


def test_a_sheet_has_a_row_for_each_record(folder, labels):
    """What one shows and another does not, leaves a gap: regions stay in their columns."""
    faces = np.where(labels == 10, 1, labels).astype(np.uint8)
    write_record(folder, "b", IMAGE, faces, None, **TEXTS | {"caption": "A man in a park. " * 30})
    records = read_records(folder)
    sheet = draw_records(records)
    first, third = draw_records(records[:1]), draw_records([records[1]])
    assert sheet.width == first.width > 4 * CELL_PX > draw_records(records[1:2]).width
    assert third.width < first.width, "a record without a nose alone has three cells"
    assert sheet.height > first.height * 3 and third.height > first.height, "a long caption has more lines"
    assert np.array_equal(np.asarray(sheet)[: first.height - 1], np.asarray(first)[:-1])


def test_nobody_comes_twice_before_everybody_was_there(tmp_path, labels):
    names = ["a/1", "a/2", "a/3", "b/1", "c/1", "c/2"]
    for name in names:
        write_record(tmp_path / "people", name, IMAGE, labels, None, **TEXTS)
        write_record(tmp_path / "flat", name.replace("/", ""), IMAGE, labels, None, **TEXTS)
    spread = [record.name for record in spread_people(read_records(tmp_path / "people"))]
    assert spread == ["a/1", "b/1", "c/1", "a/2", "c/2", "a/3"]
    assert spread_people(read_records(tmp_path / "flat")) == read_records(tmp_path / "flat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *(("[]", "No records"), ("{}", "not a list"), ("[{", "as JSON"), ('[{"IMG": "a"}]', "names no mask")),
        *(("[3]", r"JSON_all\.json .*\[0\] is not an object"), ("[" * 200_000, "as JSON")),
    ],
)
def test_damaged_lists(tmp_path, content, message):
    (tmp_path / "JSON_all.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_records(tmp_path)


def test_a_record_that_is_a_list(folder):
    (folder / "all_JSON/b.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"b\.json is not what it should be: it is not an object"):
        read_records(folder)


def test_all_incomplete_records_are_named_at_once(tmp_path):
    whole = {"IMG": "one.png", "parsing_mask_IMG": "one_mask.png"}
    entries = [whole, {"IMG": "two.png", "vqa_llva": "A long text."}, {"parsing_mask_IMG": "three_mask.png"}]
    (tmp_path / "JSON_all.json").write_text(json.dumps(entries))
    with pytest.raises(DatasetError) as raised:
        read_records(tmp_path)
    first, second, third = str(raised.value).splitlines()
    assert first == "2 of 3 records are incomplete." and "long text" not in second
    assert second.startswith("Record two.png names no mask") and third.startswith(
        "Record three_mask.png names no image"
    )


def test_embeddings_that_carry_code_are_refused(folder):
    one, _ = read_records(folder)
    torch.save(print, one.embedding)
    with pytest.raises(DatasetError, match="one_faceid"):
        one.read_embedding()


def test_names_and_captions_of_photos(tmp_path):
    for name in ("a.jpg", "a.png", "sub/b.webp", "sub/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_photos(tmp_path, tmp_path / "set") == ["a.jpg", "a.png", "sub/b.webp"]
    for out in (tmp_path, tmp_path / "sub", tmp_path / "set"):
        for folder in ("resize_IMG/a", "parsing_color_IMG/sub"):
            (out / folder).mkdir(parents=True)
            (out / folder / "1.png").touch()
        assert list_photos(tmp_path, out) == ["a.jpg", "a.png", "sub/b.webp"], "a set's own pictures are no photos"
        for folder in ("resize_IMG", "parsing_color_IMG"):
            shutil.rmtree(out / folder)
    (tmp_path / "sub/b.txt").write_text("A boat.\n")
    (tmp_path / "sub/b_face.txt").write_text("\n")
    assert read_captions(tmp_path / "sub/b.webp") == {"caption": "A boat."}
    (tmp_path / "sub/b.txt").write_text("Zoë", encoding="utf-8-sig")
    assert read_captions(tmp_path / "sub/b.webp") == {"caption": "Zoë"}
    (tmp_path / "sub/b.txt").write_text("Zoë", encoding="latin-1")
    with pytest.raises(DatasetError, match=r"captions of b\.webp .* UTF-8"):
        read_captions(tmp_path / "sub/b.webp")


def test_a_file_takes_the_place_of_another_only_when_it_is_whole(tmp_path):
    """As when two runs write one record, or a disk is full."""
    path = tmp_path / "one.txt"
    with replace_file(path) as part:
        part.write_text("whole")
    with pytest.raises(OSError), replace_file(path) as part:
        part.write_text("hal")
        raise OSError("No space left on device")
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["one.txt"]


@pytest.mark.parametrize("ending", ["", ".jpg", ".png"])
@pytest.mark.parametrize("named", ["", ".jpg"])
def test_names_with_and_without_the_ending_of_the_photo(tmp_path, labels, ending, named):
    """Those of the authors' scripts and those of their published set; some records know the original alone."""
    write_record(tmp_path, f"1{ending}", IMAGE, labels, EMBEDDING)
    entry = {"resize_IMG": f"1{named}_resize.png", "parsing_mask_IMG": f"1{named}_mask.png"}
    (tmp_path / "list.json").write_text(json.dumps([entry]))
    (record,) = read_records(tmp_path / "list.json")
    assert record.image.is_file() and record.mask.is_file()
    (tmp_path / "origin_IMG").mkdir()
    record.image.rename(tmp_path / "origin_IMG" / "1.jpg")
    entry = {"origin_IMG": "1.jpg", "parsing_mask_IMG": f"1{named}_mask.png"}
    (tmp_path / "list.json").write_text(json.dumps([entry]))
    (record,) = read_records(tmp_path / "list.json")
    assert record.read_image().shape == IMAGE.shape
