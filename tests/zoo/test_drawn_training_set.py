"""A training set of drawn faces, as training reads it."""

import numpy as np

from consistentid.dataset.check import check_records
from consistentid.dataset.records import read_records
from zoo.drawn_faces import choose_scene, draw_portrait, is_held_out, sample_person, sample_scene
from zoo.drawn_faces.__main__ import main
from zoo.drawn_faces.training_set import write_training_set


def test_the_command_writes_records_that_can_be_trained_on(tmp_path, capsys):
    words = ["dataset", str(tmp_path), "--people", "2", "--scenes", "2", "--seed", "5", "--size", "128"]
    assert main(words) == 0 and f"Records in {tmp_path}: 4." in capsys.readouterr().out
    records = read_records(tmp_path)
    assert [record.name for record in records] == ["5/0", "5/1", "6/0", "6/1"]
    findings = check_records(records)
    assert findings.problems == [] and findings.without_embedding == 4 and findings.placed["face"] == 4
    portrait = draw_portrait(sample_person(6), sample_scene(13), 128)
    assert np.array_equal(records[3].read_image(), portrait.image)
    assert np.array_equal(records[3].read_labels(*portrait.labels.shape), portrait.labels)
    assert len({record.caption for record in records}) == 4
    assert records[2].facial_caption == records[3].facial_caption != records[0].facial_caption
    assert main([*words, "--held-out"]) == 1 and "holds a training set already" in capsys.readouterr().err
    assert [record.caption for record in read_records(tmp_path)] == [record.caption for record in records]


def test_embeddings_and_held_out_people(tmp_path):
    def embed(portrait):
        mean = np.resize(portrait.image.mean(axis=(0, 1)), 512)
        return mean / np.linalg.norm(mean)

    person = sample_person(1, held_out=True)
    assert is_held_out(person) and write_training_set(tmp_path, [1], 2, 64, held_out=True, embed=embed) == 2
    first, second = read_records(tmp_path)
    drawn = draw_portrait(person, choose_scene(1, 2, 0, held_out=True), 64)
    assert np.array_equal(second.read_image(), draw_portrait(person, choose_scene(1, 2, 1, held_out=True), 64).image)
    assert np.allclose(first.read_embedding(), embed(drawn), atol=1e-6)


def test_every_second_picture_has_the_sentence(tmp_path):
    write_training_set(tmp_path, [1, 2], 3, 64, sentence="The person has a face.")
    captions = [record.facial_caption for record in read_records(tmp_path)]
    assert [caption == "The person has a face." for caption in captions] == [False, True, False] * 2
    assert all(captions)
