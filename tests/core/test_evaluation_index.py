"""The index of likeness and text: which recognisers and CLIPs count, and what negative cosines do."""

import pytest

from consistentid.evaluation.index import combine, combine_scores
from consistentid.evaluation.metrics import METRICS, NEEDS


def test_the_means_by_hand():
    means = combine(0.9, 0.1)
    assert means == pytest.approx({"index_arithmetic": 0.5, "index_geometric": 0.3, "index_harmonic": 0.18})


@pytest.mark.parametrize(("likeness", "text"), [(-0.2, 0.3), (0.3, -0.2), (-0.2, -0.2), (0.0, 0.0)])
def test_below_zero_is_zero_but_in_the_arithmetic_mean(likeness, text):
    means = combine(likeness, text)
    assert (means["index_geometric"], means["index_harmonic"]) == (0, 0)
    assert means["index_arithmetic"] == pytest.approx((likeness + text) / 2)


def test_a_recogniser_that_drew_counts_only_where_there_is_no_other():
    scores = {"face_sim": 0.9, "clip_t": 0.2}
    assert combine_scores(scores)["index_arithmetic"] == pytest.approx(0.55)
    scores |= {"face_sim_second": 0.4, "face_sim_third": 0.2, "clip_t_second": 0.1}
    assert combine_scores(scores)["index_arithmetic"] == pytest.approx((0.3 + 0.15) / 2)
    scores["face_sim_third"] = None
    assert combine_scores(scores)["index_harmonic"] == pytest.approx(2 * 0.2 * 0.15 / 0.35), "no face is no likeness"


def test_without_likeness_or_text_there_is_no_index():
    assert combine_scores({"face_sim": 0.9}) == combine_scores({"clip_t": 0.2}) == {}


def test_every_metric_but_seconds_says_what_it_needs():
    assert NEEDS.keys() - {"fid"} == METRICS.keys() - {"seconds"}
