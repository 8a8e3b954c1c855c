"""A headless Chromium through selenium, whose driver ends with this process (quickstart/kept_process.py)."""

import os
import shutil

import pytest

from quickstart.kept_process import KEEPER, OWN_GROUP

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1600,1000")


def open_chromium():
    """Skips when something is not there; CHROMIUM and CHROMEDRIVER name others than those on the PATH."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip(f"no {'chromedriver' if chromium else 'Chromium'}: install it, or set CHROMIUM and CHROMEDRIVER")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, _make_service(webdriver, driver))


def _make_service(webdriver, driver):
    """selenium gives the driver a pipe for input, which closes with this process; the keeper reads it."""
    python, *arguments = KEEPER

    class KeptService(webdriver.ChromeService):
        def command_line_args(self):
            return [*arguments, driver, *super().command_line_args()]

    names = {"creationflags": "creation_flags"}  # selenium's word
    return KeptService(python, popen_kw={names.get(name, name): value for name, value in OWN_GROUP.items()})
