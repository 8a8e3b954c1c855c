"""Where the parts of a training set are: keys, folders and file names, in every spelling of the authors."""

from collections.abc import Collection
from pathlib import Path

MERGED = "JSON_all.json"
JSON_FOLDERS = ("all_JSON", "FGID_JSON")

# The first name is the one that is written.
KEYS = {
    "image": ("resize_IMG", "IMG", "origin_IMG"),
    "mask": ("parsing_mask_IMG",),
    "overlay": ("parsing_color_IMG",),
    "embedding": ("id_embed_file_origin", "id_embed_file_resize"),
    "caption": ("vqa_llva",),
    "facial_caption": ("vqa_llva_more_face_detail", "vqa_llva_facial", "vqa_llva_face_caption"),
}
FOLDERS = {
    "image": ("resize_IMG", "FGID_resize", "origin_IMG", "IMG"),
    "mask": ("parsing_mask_IMG", "FGID_parsing_mask"),
    "overlay": ("parsing_color_IMG", "FGID_parsing_color"),
    "embedding": ("all_faceID", "FGID_faceID"),
}
_CAPTIONER = "vqa_"
_FACIAL = ("_more_face_detail", "_facial", "_face_caption")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ENDINGS = {"image": "_resize.png", "mask": "_mask.png", "overlay": "_color.png", "embedding": "_faceid.bin"}


def read_value(entry: dict, part: str) -> str:
    """What the JSON entry of a record says of one part; "" where it says nothing.

    A caption may be under another captioner's name in place of `llva`: "vqa_qwen", "vqa_qwen_facial".
    """
    keys = [*KEYS[part]]
    if part in ("caption", "facial_caption"):
        others = [key for key in entry if key.startswith(_CAPTIONER)]
        keys += [key for key in others if key.endswith(_FACIAL) == (part == "facial_caption")]
    return str(next((entry[key] for key in keys if entry.get(key)), ""))


def find_folder(root: Path, part: str) -> Path:
    """The folder of one part of the records, by the spelling that is there; else the one that is written."""
    names = FOLDERS[part]
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])


def find_file(root: Path, part: str, name: str) -> Path:
    """A file that a record names, also where the name leaves out, or keeps, the ending of the photo it was made from:
    `1_resize.png` for `1.jpg_resize.png`; where it is a whole path, of which what follows a folder's name counts if the
    name as it stands is of no file; and a photo in any folder of photos."""
    pieces = name.split("/")
    starts = [0, *(number for number, piece in enumerate(pieces) if number and pieces[number - 1] in FOLDERS[part])]
    cut = ["/".join(pieces[start:]) for start in starts]
    readings = sorted(cut, key=lambda one: Path(one).is_absolute())  # a set that was moved is read where it is
    folders = [find_folder(root, part), *(root / folder for folder in FOLDERS[part])]
    places = (folder / one for read in readings for folder in folders for one in _spell(read, ENDINGS[part]))
    return next((place for place in places if place.is_file()), folders[0] / cut[-1])


def find_name(files: Collection[str], part: str, name: str) -> str | None:
    """The same among the files of a set by their names, for a name below a folder; None where there is none."""
    candidates = (f"{folder}/{one}" for folder in FOLDERS[part] for one in _spell(name, ENDINGS[part]))
    return next((file for file in candidates if file in files), None)


def _spell(name: str, ending: str) -> list[str]:
    """The name, and those with and without the ending of a photo."""
    start = name.removesuffix(ending)
    if start == name:
        return [name]
    plain = start.removesuffix(Path(start).suffix) if Path(start).suffix.lower() in SUFFIXES else start
    return [name, plain + ending, *(f"{plain}{suffix}{ending}" for suffix in SUFFIXES)]


def find_json(root: Path, name: str) -> Path:
    return root / JSON_FOLDERS[0] / f"{name}.json"
