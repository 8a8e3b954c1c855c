"""What a run of the quick start leaves: its pictures, and a contact sheet of all of them."""

import shutil
from datetime import datetime
from functools import partial
from pathlib import Path

from PIL import Image

from consistentid import whole_file
from consistentid.contact_sheet import draw_contact_sheet
from consistentid.errors import ConsistentIDError, describe_os_error
from consistentid.headless import portrait_files

from .failure import Failure


def plan_run(out, count):
    """Files of a run with `count` pictures; asked before drawing. Failure for a folder that cannot be written."""
    path = Path(out) / f"portrait_{datetime.now():%Y%m%d_%H%M%S}.png"
    try:
        return portrait_files.plan_files(path, count)
    except ConsistentIDError as error:
        raise Failure(str(error)) from error


def save_person(files, photo):
    """The reference picture of a run beside its results; returns its path."""
    first = files.sheet.with_name(files.sheet.name.replace("_stages", "_person"))
    write = partial(photo.save, format="PNG")
    try:
        (path,) = whole_file.create_files(((name,) for name in whole_file.number_paths(first, "-")), [write])
    except OSError as error:
        raise Failure(describe_os_error(error)) from error
    print(f"Person         {path.resolve()}")
    return path


def save_run(files, stages, results):
    """Copy the results, [(title, path of a PNG)], whose settings stay in them, and draw the sheet; stages: [(title,
    PIL image)] of what led there. Prints the paths."""
    shown = [(title, Image.open(path)) for title, path in results]
    sheet = draw_contact_sheet([*stages, *shown])
    writers = [*(partial(shutil.copyfile, path) for _, path in results), partial(sheet.save, format="PNG")]
    try:
        files = portrait_files.write_files(files, writers)
    except ConsistentIDError as error:
        raise Failure(str(error)) from error
    for picture in files.pictures:
        print(f"Portrait       {picture.resolve()}")
    print(f"Contact sheet  {files.sheet.resolve()}")
