"""Photos as users bring them: what is found in each, how good it is, and picture files that lie on their side."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

sys.path.append(str(Path(__file__).parent))

from analysis_variants import write_genderage
from photo_set import FACE_BOX, SEEN, make_photo, write_turned_photo

from consistentid.choices import ALL_FACES
from consistentid.errors import ConsistentIDError, FaceNotFoundError
from consistentid.face.face import Face
from consistentid.face.package import load_face_analysis
from consistentid.face.photo import open_photo
from consistentid.face.report import report_faces
from consistentid.face.search import detect_faces


@pytest.mark.parametrize("name", SEEN)
def test_photo_set(analysis, name):
    detector_px, count = SEEN[name]
    faces = detect_faces(analysis, make_photo(name))
    assert len(faces) == count
    assert all((face.detector_px, face.padded) == (detector_px, False) for face in faces)


def test_age_and_gender(face_package, tmp_path, astronaut):
    folder = shutil.copytree(face_package, tmp_path / "buffalo_l")
    for scores, gender in (((0.9, 0.1), "female"), ((0.2, 0.7), "male")):
        write_genderage(folder / "genderage.onnx", *scores, age=0.34)
        (face,) = detect_faces(load_face_analysis(folder, "CPU"), astronaut)
        assert (face.gender, face.age) == (gender, 34)
        assert f"{gender}, about 34 years" in report_faces(astronaut, [face], [face], "largest")


def test_quality_ranks_photos_of_one_person(analysis, astronaut):
    def blur(radius):
        return np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(radius)))

    sharp, soft, softer = (detect_faces(analysis, photo)[0] for photo in (astronaut, blur(1.5), blur(4)))
    assert sharp.sharpness > 2 * soft.sharpness > 4 * softer.sharpness > 0
    assert 1 > sharp.quality > soft.quality > softer.quality > 0
    assert sharp.quality == pytest.approx(sharp.score * sharp.sharpness / (sharp.sharpness + 100))
    (dark,) = detect_faces(analysis, make_photo("dark"))
    assert dark.quality < sharp.quality
    assert replace(sharp, score=0.5).quality < sharp.quality and replace(sharp, sharpness=0.0).quality == 0


def make_face(left, width, **fields) -> Face:
    box = np.array([left, 20, left + width, 20 + width], dtype=np.float32)
    return Face(box, np.zeros((5, 2)), 0.9, np.ones(512), sharpness=300.0, detector_px=640, **fields)


def test_report_tells_what_was_taken_and_why():
    photo = np.zeros((500, 1000, 3), dtype=np.uint8)
    big, other = make_face(100, 200), make_face(600, 100, padded=True)
    assert report_faces(photo, [big, other], [big], "largest") == (
        "2 found; took the largest: score 0.90, box [100, 20, 300, 220], seen at 640 px, quality 0.68."
    )
    assert "took the leftmost: " in report_faces(photo, [big, other], [big], "left to right")
    assert "took number 1 by 'left to right': " in report_faces(photo, [big, other], [other], "left to right", 1)
    assert "with a margin around the photo" in report_faces(photo, [big, other], [other], "largest", 1)
    both = report_faces(photo, [big, other], [big, other], ALL_FACES)
    assert "took all, left to right: score" in both and both.count("box") == 2


def test_report_warns_of_a_small_face():
    """By its pixels: a small part of a large photo has enough of them."""
    photo = np.zeros((500, 1000, 3), dtype=np.uint8)
    big, small = make_face(100, 51), make_face(600, 45)
    assert "closer" not in report_faces(np.zeros((5000, 8000, 3), np.uint8), [big], [big], "largest")
    assert "closer" not in report_faces(photo, [big, small], [big], "largest")
    assert report_faces(photo, [small], [small], "largest").endswith(
        "The face is only 45 px wide: a larger or closer photo tells more, from 50 px."
    )
    assert "The smallest face is only 45 px" in report_faces(photo, [big, small], [big, small], ALL_FACES)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_that_a_camera_turned(analysis, astronaut, tmp_path, orientation):
    portrait = astronaut[:, :400]
    write_turned_photo(tmp_path / "photo.jpg", portrait, orientation)
    stored = np.asarray(Image.open(tmp_path / "photo.jpg"))
    assert (stored.shape[:2] == (400, 512)) == (orientation >= 5)
    photo = open_photo(tmp_path / "photo.jpg")
    assert photo.shape == portrait.shape and photo.dtype == np.uint8
    assert np.abs(photo.astype(int) - portrait).mean() < 4, "JPEG's own loss, and nothing else"
    (face,) = detect_faces(analysis, photo)
    np.testing.assert_allclose(face.box, FACE_BOX, atol=4)
    if orientation != 1:
        assert np.abs(stored.astype(int)[:400, :400] - portrait[:400, :400]).mean() > 20


def test_picture_files_of_every_kind(astronaut, tmp_path):
    image = Image.fromarray(astronaut)
    path = tmp_path / "photo.png"
    image.save(path)
    assert np.array_equal(open_photo(str(path)), astronaut) and open_photo(path).flags.writeable
    transparent = image.copy()
    transparent.putalpha(0)
    transparent.save(path)
    assert np.array_equal(open_photo(path), astronaut), "transparency is dropped"
    grey = image.convert("L")
    grey.save(path)
    assert np.array_equal(open_photo(path), np.asarray(grey)[..., None].repeat(3, axis=2))
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(path)
    assert np.array_equal(open_photo(path), np.asarray(grey)[..., None].repeat(3, axis=2)), "16 bits"
    image.save(tmp_path / "photo.gif", save_all=True, append_images=[grey])
    assert np.abs(open_photo(tmp_path / "photo.gif").astype(int) - astronaut).mean() < 10, "the first frame"


GREY = np.linspace(0, 255, 32 * 48).round().reshape(32, 48)


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.uint8),
        (GREY / 255).astype(np.float32),
        GREY.astype(np.int32),
        (GREY * 257).astype(np.int32),
        (GREY * 257).astype(np.uint16),
        (GREY * 257).astype(">u2"),
    ],
    ids=["8 bits", "float of 0..1", "8 bits in int32", "16 bits in int32", "16 bits", "16 bits, big end first"],
)
def test_grey_of_every_depth_is_read_upright(values, tmp_path):
    path, exif = tmp_path / "photo.tif", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert np.array_equal(open_photo(path), GREY.astype(np.uint8)[..., None].repeat(3, axis=2)), "upright too"


@pytest.mark.parametrize("number", [3, 256])
def test_a_dark_16_bit_picture_stays_dark(number, tmp_path):
    for name in ("photo.png", "photo.tif"):
        Image.fromarray(np.full((32, 32), number, np.uint16)).save(tmp_path / name)
        assert open_photo(tmp_path / name).max() == round(number / 257)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((GREY * 4).astype(np.float32), r"floats from 0 to 1020, where 0 is black and 1 is white"),
        ((GREY / 255 - 0.5).astype(np.float32), r"floats from -0\.5 to 0\.5"),
        (np.full((32, 32), np.nan, np.float32), "floats from nan to nan"),
        ((GREY * 2**20).astype(np.int32), r"whole numbers from 0 to 267386880, where 8 bits end at 255"),
        ((GREY - 9).astype(np.int32), "whole numbers from -9 to 246"),
    ],
    ids=["float", "below 0", "no number", "32 bits", "whole and below 0"],
)
def test_numbers_without_a_known_white_are_refused(values, words, tmp_path):
    Image.fromarray(values).save(tmp_path / "photo.tif")
    with pytest.raises(ConsistentIDError, match=rf"photo\.tif cannot be read as a picture \({words}.*JPEG or PNG"):
        open_photo(tmp_path / "photo.tif")


@pytest.mark.parametrize("content", [None, b"", b"<html>no</html>", b"\xff\xd8\xff\xe0 cut"], ids=str)
def test_files_that_are_no_pictures(content, tmp_path):
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConsistentIDError, match=r"photo\.jpg cannot be read as a picture.*Use a JPEG or PNG"):
        open_photo(path)
    with pytest.raises(ConsistentIDError, match="cannot be read"):
        open_photo(tmp_path)


def test_cut_off_picture(astronaut, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ConsistentIDError, match="cannot be read"):
        open_photo(path)


def test_picture_too_small_for_a_face(tmp_path):
    Image.new("RGB", (12, 40)).save(tmp_path / "icon.png")
    with pytest.raises(FaceNotFoundError, match="only 12x40 pixels"):
        open_photo(tmp_path / "icon.png")
