"""The contact sheet, and how a workflow is filled in."""

import copy
from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

import model_choice
import portrait_run
from consistentid.hosts import contact_sheet
from quickstart_failure import Failure

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


SLOTS = model_choice.SLOTS["sdxl"]


def adjust(small, **choices):
    graph = copy.deepcopy(GRAPH)
    names = {slot: f"{slot.label}.bin" for slot in SLOTS}
    portrait_run._adjust_graph(graph, Namespace(**NO_CHOICE | choices), names, small)
    return {node["class_type"]: node["inputs"] for node in graph.values()}


def test_models_and_photo_are_filled_in():
    nodes = adjust(small=False)
    assert all(nodes[slot.loader][slot.field] == f"{slot.label}.bin" for slot in SLOTS)
    assert nodes["LoadImage"]["image"] == portrait_run.INPUT_PHOTO


def test_without_choices_the_workflow_keeps_its_own_values():
    nodes = adjust(small=False)
    assert nodes["ConsistentID_InjectTokens"] == GRAPH["7"]["inputs"]
    assert nodes["EmptyLatentImage"] == GRAPH["8"]["inputs"]
    assert (nodes["ConsistentID_Sampler"]["steps"], nodes["ConsistentID_Sampler"]["start_merge_step"]) == (50, 30)


def test_standins_make_the_run_small_unless_told_otherwise():
    nodes = adjust(small=True, width=320, seed=0)
    assert (nodes["EmptyLatentImage"]["width"], nodes["EmptyLatentImage"]["height"]) == (320, 384)
    assert nodes["ConsistentID_Sampler"] == {"seed": 0, "steps": 8, "start_merge_step": 4}


def test_a_choice_the_workflow_cannot_take_is_an_error():
    with pytest.raises(Failure, match="no KSampler with an input 'seed'"):
        portrait_run._set_inputs(copy.deepcopy(GRAPH), ("KSampler",), {"seed": 3})


def test_an_unreadable_photo_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "photo.jpg").write_text("not a picture")
    with pytest.raises(Failure, match="Cannot read the photo"):
        portrait_run._place_photo(tmp_path / "photo.jpg")


def test_contact_sheet_holds_every_picture():
    colours = ["red", "lime", "blue", "yellow", "fuchsia"]
    pictures = [(colour, Image.new("RGB", (40 * (i + 1), 60), colour)) for i, colour in enumerate(colours)]
    sheet = contact_sheet.draw_contact_sheet(pictures, note="all stand-ins")
    step = contact_sheet.CELL + contact_sheet.GAP
    half = contact_sheet.CELL // 2 + contact_sheet.GAP
    for number, (_, picture) in enumerate(pictures):
        row, column = divmod(number, contact_sheet.COLUMNS)
        at = (half + column * step, half + contact_sheet.CAPTION + row * (step + contact_sheet.CAPTION))
        assert sheet.getpixel(at) == picture.getpixel((0, 0))
    assert (np.asarray(sheet)[: contact_sheet.CAPTION] < 255).any(), "the note is written at the top"
