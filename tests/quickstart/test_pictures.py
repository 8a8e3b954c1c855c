"""The contact sheet, and how a workflow is filled in."""

import copy
from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

from consistentid import contact_sheet
from quickstart import portrait_run
from quickstart.failure import Failure
from quickstart.workflow_graph import read_graph

GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x"}},
    "2": {"class_type": "CLIPVisionLoader", "inputs": {"clip_name": "x"}},
    "3": {"class_type": "ConsistentID_LoadAdapter", "inputs": {"adapter_name": "x"}},
    "4": {"class_type": "ConsistentID_LoadFaceParser", "inputs": {"parser_name": "x"}},
    "5": {"class_type": "ConsistentID_LoadFaceAnalysis", "inputs": {"package": "x"}},
    "6": {"class_type": "LoadImage", "inputs": {"image": "x"}},
    "7": {
        "class_type": "ConsistentID_InjectTokens",
        "inputs": {"prompt": "a man", "negative": "bad"},
    },
    "8": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "9": {"class_type": "ConsistentID_Sampler", "inputs": {"seed": 1, "steps": 50, "start_merge_step": 30}},
}
NO_CHOICE = {"prompt": None, "negative": None, "seed": None, "steps": None, "width": None, "height": None}


def adjust(**choices):
    graph = copy.deepcopy(GRAPH)
    choices = NO_CHOICE | choices
    portrait_run._set_choices(graph, Namespace(**choices), choices["prompt"], choices["seed"])
    return {node["class_type"]: node["inputs"] for node in graph.values()}


def test_without_choices_the_workflow_keeps_its_own_values():
    assert adjust() == {node["class_type"]: node["inputs"] for node in GRAPH.values()}


def test_the_merge_stays_at_its_part_of_the_run():
    nodes = adjust(width=320, seed=0, steps=20)
    assert (nodes["EmptyLatentImage"]["width"], nodes["EmptyLatentImage"]["height"]) == (320, 768)
    assert nodes["ConsistentID_Sampler"] == {"seed": 0, "steps": 20, "start_merge_step": 12}


def test_a_choice_the_workflow_cannot_take_is_an_error():
    with pytest.raises(Failure, match="no KSampler with an input 'seed'"):
        portrait_run._set_inputs(copy.deepcopy(GRAPH), ("KSampler",), {"seed": 3})


def test_an_unreadable_photo_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "photo.jpg").write_text("not a picture")
    with pytest.raises(Failure, match="Cannot read the photo"):
        portrait_run._place_photo(tmp_path / "photo.jpg")


def test_a_turned_photo_is_placed_upright(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "photo.jpg", exif=exif)
    monkeypatch.setattr(portrait_run, "HOST_FOLDER", tmp_path)
    assert portrait_run._place_photo(tmp_path / "photo.jpg").size == (40, 60)
    assert Image.open(tmp_path / "input" / portrait_run.INPUT_PHOTO).size == (40, 60)


def test_contact_sheet_holds_every_picture():
    colours = ["red", "lime", "blue", "yellow", "fuchsia"]
    pictures = [(colour, Image.new("RGB", (40 * (i + 1), 60), colour)) for i, colour in enumerate(colours)]
    sheet = contact_sheet.draw_contact_sheet(pictures)
    half = contact_sheet.CELL // 2 + contact_sheet.GAP
    across = contact_sheet.CELL + contact_sheet.GAP
    down = (sheet.height - contact_sheet.GAP) // 2
    for number, (_, picture) in enumerate(pictures):
        row, column = divmod(number, contact_sheet.COLUMNS)
        assert sheet.getpixel((half + column * across, half + row * down)) == picture.getpixel((0, 0))


@pytest.mark.parametrize(
    "title", ["a woman wearing a teal beanie and a red hoodie, smiling, in a garden, in evening light", "W" * 60]
)
def test_no_title_of_a_contact_sheet_leaves_its_cell(title):
    grey = Image.new("RGB", (64, 64), "grey")
    sheet = np.asarray(contact_sheet.draw_contact_sheet([(title, grey), ("short", grey)])).astype(int)
    across = contact_sheet.CELL + contact_sheet.GAP
    below = sheet[contact_sheet.GAP + contact_sheet.CELL :]
    assert (below < 255).any(axis=(1, 2)).sum() > contact_sheet.LINE, "more than one line"
    assert (below[:, across - contact_sheet.GAP + 8 : across + 8] == 255).all() and (below[-2:] == 255).all()


@pytest.mark.parametrize("workflow", ["portrait_sd15", "small_portrait_zoo"])
def test_what_leads_to_a_portrait_is_shown_once(workflow):
    graph = read_graph(workflow)
    shown = portrait_run._show_stages(graph)
    pictures = [node for node in shown.values() if node["class_type"] == "PreviewImage"]
    assert [node["_meta"]["title"] for node in pictures] == ["Detected face", "Aligned crop", "Regions", "Region crops"]
    for node in shown.values():
        assert {value[0] for value in node["inputs"].values() if isinstance(value, list)} <= shown.keys()
    assert shown.keys() & graph.keys() == {id for id in graph if graph[id]["class_type"] != "PreviewImage"}
