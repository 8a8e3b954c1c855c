"""Plots of docs show the numbers of docs."""

import numpy as np
import pytest
from PIL import Image

from consistentid.evaluation.summary import Estimate
from consistentid.plots import Span
from zoo.recipe import plots
from zoo.recipe.plots import DOCS, list_plots, plot_curves, plot_proof
from zoo.recipe.tables import read_tables, write_span

PAGE = """# A page

| | pictures | likeness | face | eyes | prompt |
|---|---|---|---|---|---|
| drawn, not generated | 8 | 0.800 (0.700 to 0.900) | 0.900 (0.850 to 0.950) |  | 1.000 (1.000 to 1.000) |
| base model | 8 | 0.100 (0.000 to 0.200) | 0.300 (0.250 to 0.350) | 0.2 | 0.900 (0.800 to 1.000) |

| plain | table |
|---|---|
| of | words |

| | pictures | likeness |
|---|---|---|
| one - other | 8 | -0.100 (-0.200 to 0.050) |
"""


@pytest.mark.parametrize("name", ["curves.png", "attributes.png", "proof.png", "proof_pairs.png"])
def test_a_picture_of_docs_shows_what_stands_there(name):
    assert list_plots()[name].is_in(DOCS / "pictures" / name), "python -m zoo.recipe.plots draws it anew"


def test_what_is_written_is_read_again():
    estimate = Estimate(-0.1, (-0.3, 0.1), 8, (-0.2, 0.05))
    assert write_span(estimate) == "-0.100 (-0.200 to 0.050)" and write_span(None) == ""
    cells, pairs = read_tables(PAGE)
    assert list(cells) == ["drawn, not generated", "base model"] and cells["base model"].keys() == {
        "likeness",
        "face",
        "prompt",
    }
    assert pairs == {"one - other": {"likeness": Span(-0.1, -0.2, 0.05)}}


def test_a_plot_knows_its_numbers(tmp_path):
    for name, plot in plot_proof(PAGE).items():
        plot.save(tmp_path / name)
        assert plot.is_in(tmp_path / name)
        other = plot_proof(PAGE.replace("0.700", "0.600").replace("0.050", "0.060"))[name]
        assert not other.is_in(tmp_path / name)
    pixels = np.asarray(Image.open(tmp_path / "proof.png").convert("RGB")).astype(int)
    blue, grey = ((np.abs(pixels - colour).max(2) < 12).sum() for colour in ((0, 0x72, 0xB2), (0x6B, 0x6B, 0x6B)))
    assert blue > 50 and grey > 50, "the model and the drawing"


def test_curves_of_a_recipe_at_work(tmp_path, monkeypatch):
    folder = tmp_path / "curves"
    folder.mkdir()
    (folder / "base_model.csv").write_text("step,loss,seconds\n50,0.5,3\n100,0.05,6\n")
    (folder / "adapter.csv").write_text("step,loss,mass\n50,0.5,0.1\n100,0.4,0.2\n")
    (folder / "just_begun.csv").write_text("")
    titles = [title for title, _, _ in plot_curves(folder).numbers]
    assert titles == ["adapter", "adapter: attention inside regions (mass)", "base model"]
    assert plots.main([str(tmp_path)]) == 0
    assert plot_curves(folder).is_in(folder / "curves.png")
