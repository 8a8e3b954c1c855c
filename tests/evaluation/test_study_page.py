"""The page of a study in a browser: keys, clicks and going back, a reload in between, and the file that it saves."""

import time
from pathlib import Path

import pytest
from PIL import Image

from consistentid.evaluation.study import Pair, write_study
from consistentid.evaluation.votes import count_votes, read_ballots, read_key

CHROMIUM = Path(__file__).resolve().parents[1] / "browser" / "chromium.py"
CHOOSE_BRIGHT = """
const brightness = (id) => {
  const canvas = document.createElement("canvas"), image = document.getElementById(id);
  canvas.width = canvas.height = 1;
  canvas.getContext("2d").drawImage(image, 0, 0, 1, 1);
  return canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
};
return brightness("left-picture") > brightness("right-picture") ? "left" : "right";
"""


@pytest.fixture
def chromium(load_module, tmp_path):
    chromium = load_module(CHROMIUM).open_chromium()
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    yield chromium
    chromium.quit()


@pytest.fixture
def study(tmp_path) -> tuple[Path, Path]:
    """Three pairs of a dark and a bright picture; the page and its key."""
    for name, grey in (("dark", 40), ("bright", 220), ("photo", 128)):
        Image.new("RGB", (64, 96), (grey, grey, grey)).save(tmp_path / f"{name}.png")
    files = tmp_path / "dark.png", tmp_path / "bright.png"
    pairs = [
        Pair(f"p{n}", ("dark", "bright"), (f"a{n}", f"b{n}"), files, tmp_path / "photo.png", "ada", f"prompt {n}", n)
        for n in range(3)
    ]
    paths = tmp_path / "study.html", tmp_path / "study.key.json"
    for path, text in zip(paths, write_study(pairs, "Portraits", ["Which is brighter?"]), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


class Voter:
    def __init__(self, chromium, page: Path):
        self.chromium = chromium
        chromium.get(page.as_uri())

    def find(self, id: str):
        return self.chromium.find_element("id", id)

    def wait(self, id: str, text: str) -> None:
        until = time.monotonic() + 10
        while text not in self.find(id).text:
            assert time.monotonic() < until, f"#{id} is {self.find(id).text!r}, not {text!r}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        self.find("question").parent.switch_to.active_element.send_keys(key)

    def choose_bright(self) -> str:
        return self.chromium.execute_script(CHOOSE_BRIGHT)


def test_a_voter_who_looks_once_goes_back_and_comes_again(chromium, study, tmp_path):
    from selenium.webdriver.common.keys import Keys

    arrows = {"left": Keys.ARROW_LEFT, "right": Keys.ARROW_RIGHT}
    page, key_file = study
    voter = Voter(chromium, page)
    voter.find("begin").click()
    voter.wait("count", "1 of 3")
    voter.press(arrows[voter.choose_bright()])
    voter.wait("count", "2 of 3")
    voter.press(Keys.ARROW_DOWN)
    voter.wait("count", "3 of 3")
    voter.press(Keys.BACKSPACE)
    voter.wait("count", "2 of 3")
    chromium.refresh()
    voter.wait("known", "You have given 1 of 3 answers")
    voter.find("begin").click()
    voter.find(voter.choose_bright()).click()
    voter.wait("count", "3 of 3")
    voter.find("equal").click()
    voter.wait("thanks", "3 answers are complete")
    voter.find("save").click()
    voter.wait("saved", "Saved as votes-")
    until = time.monotonic() + 10
    while not (saved := list(tmp_path.glob("votes-*.json"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    key = read_key(key_file)
    (found,) = count_votes(key, read_ballots(saved, key))
    assert (found.first, found.equal, found.second, found.runs) == (0, 1, 2, ("dark", "bright"))
    assert not chromium.get_log("browser"), "no error, and nothing that the page may not load"
