"""ComfyUI's editor in a browser, as tests use it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import editor_scripts as scripts

OURS = "consistentid"
SECONDS = 300  # for busy machines
SCRIPT_SECONDS = 100  # less than selenium waits for an answer of the browser's driver
RUN_SECONDS = 600  # the first run of a server loads all models


class EditorPage:
    """driver: selenium's, for what is not here. Scripts see `app`, `graph` and their arguments as `args`."""

    def __init__(self, driver, address: str, screenshots: Path):
        self.driver = driver
        self.address = address
        self.screenshots = screenshots
        self._settings = {}
        driver.set_script_timeout(SCRIPT_SECONDS)

    def open(self) -> None:
        """Load the page anew and wait until the editor can be used; its graph is empty."""
        self.driver.get(self.address)
        self.wait_until(scripts.READY)
        self.clear()

    def reload(self) -> None:
        """As by F5; the tests' browser forgets which workflows were open."""
        self.driver.refresh()
        self.wait_until(scripts.READY)

    def open_with(self, settings: dict) -> None:
        """Load the page anew with these settings until the end of the test, such as {"Comfy.Locale": "zh"}.

        A change in the open page would have it load its graph anew some time later.
        """
        ask = "return Object.fromEntries(args[0].map((name) => [name, app.extensionManager.setting.get(name)]));"
        self._settings = self.evaluate(ask, list(settings)) | self._settings
        self.evaluate(scripts.STORE, settings)
        self.open()

    def restore_settings(self) -> None:
        """Take back what `open_with` changed."""
        if self._settings:
            self.evaluate(scripts.STORE, self._settings)
            self._settings = {}
            self.open()

    def clear(self) -> None:
        """An empty graph in the only tab, without dialogs and sidebar."""
        self.evaluate(scripts.CLEAR)
        self.wait_until(scripts.CLEARED)

    def evaluate(self, script: str, *args):
        """What the body of an async function returns, as JSON. Raises AssertionError with the error it throws."""
        answer = self.driver.execute_async_script(
            "const args = [...arguments], done = args.pop();"
            f"(async () => {{ const app = window.app, graph = app?.graph; {{\n{script}\n}} }})()"
            ".then((value) => done({ value: JSON.stringify(value) }))"
            ".catch((error) => done({ error: String(error.stack ?? error) }))",
            *args,
        )
        assert "error" not in answer, answer["error"]
        return json.loads(answer["value"] or "null")

    def wait_until(self, script: str, *args, seconds: float = SECONDS):
        """The first true value that the script returns."""
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, seconds, poll_frequency=0.1)
        never = f"never true within {seconds} s: {script} {args or ''}"
        return wait.until(lambda _: self.evaluate(script, *args), never)

    def find(self, css: str, before: Callable[[], None] = lambda: None):
        """The first element of this selector, as soon as it is visible. before: as for `click`."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.expected_conditions import visibility_of_element_located
        from selenium.webdriver.support.ui import WebDriverWait

        def look(driver):
            before()
            return visibility_of_element_located((By.CSS_SELECTOR, css))(driver)

        return WebDriverWait(self.driver, SECONDS, poll_frequency=0.1).until(look, f"not visible: {css}")

    def click(self, css: str, before: Callable[[], None] = lambda: None) -> None:
        """Press the first element of this selector with the mouse, as soon as it holds still and nothing covers it.

        before: done ahead of each try, for what the editor takes away again.
        """
        from selenium.common import exceptions
        from selenium.webdriver.support.ui import WebDriverWait

        def press(_) -> bool:
            before()
            return self.evaluate(scripts.HOLDS_STILL, css) and self.find(css).click() is None

        moved = (
            exceptions.ElementClickInterceptedException,
            exceptions.ElementNotInteractableException,
            exceptions.StaleElementReferenceException,
        )
        wait = WebDriverWait(self.driver, SECONDS, poll_frequency=0.1, ignored_exceptions=moved)
        wait.until(press, f"cannot be clicked: {css}")

    def read_text(self, css: str, *parts: str) -> str:
        """The first element's text, as soon as it holds all these parts."""
        has_all = "const text = document.querySelector(args[0])?.innerText ?? '';"
        return self.wait_until(f"{has_all} return args[1].every((part) => text.includes(part)) && text;", css, parts)

    def read_message(self, *parts: str) -> str:
        """What the editor says of a run that failed, as soon as it holds all these parts.

        Newer editors add a report for those who develop, which is left out.
        """
        self.wait_until(f"{scripts.OPEN_MESSAGE} return Boolean(document.querySelector('{scripts.MESSAGE}'));")
        return self.read_text(scripts.MESSAGE, *parts).partition(scripts.REPORT)[0]

    def load(self, workflow: dict) -> None:
        """Open a workflow of the editor's format, as a file dropped on the page."""
        self.evaluate("await app.loadGraphData(args[0]);", workflow)

    def save(self) -> dict:
        """The graph as the editor would save it."""
        return self.evaluate("return graph.serialize();")

    def read_prompt(self) -> dict:
        """The graph in API format, as the editor would queue it."""
        return self.evaluate("return (await app.graphToPrompt()).output;")

    def add_node(self, type: str, x: int = 100, y: int = 100) -> int:
        """The new node's id."""
        script = "const node = LiteGraph.createNode(args[0]); node.pos = [args[1], args[2]]; graph.add(node);"
        return self.evaluate(f"{script} return Number(node.id);", type, x, y)

    def click_node(self, id: int) -> None:
        """Press a node's title with the mouse, which selects it."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        place = "const [x, y] = graph.getNodeById(args[0]).pos; return app.canvasPosToClientPos([x + 40, y - 15]);"
        mouse = ActionBuilder(self.driver)
        mouse.pointer_action.move_to_location(*map(round, self.evaluate(place, id))).click()
        mouse.perform()

    def find_nodes(self, type: str) -> list[int]:
        return self.evaluate("return graph.nodes.filter((n) => n.type === args[0]).map((n) => Number(n.id));", type)

    def connect(self, source: int, output: str, target: int, input: str) -> None:
        """By the names of output and input."""
        self.evaluate(
            "const [source, target] = [graph.getNodeById(args[0]), graph.getNodeById(args[2])];"
            "if (!source.connect(source.findOutputSlot(args[1]), target, target.findInputSlot(args[3])))"
            "  throw new Error(`cannot connect ${args}`);",
            source,
            output,
            target,
            input,
        )

    def read_widget(self, node: int, name: str):
        return self.evaluate(
            "return graph.getNodeById(args[0]).widgets.find((w) => w.name === args[1]).value;", node, name
        )

    def set_widget(self, node: int, name: str, value) -> None:
        """As a user's change: the widget's callback runs too."""
        self.evaluate(
            "const node = graph.getNodeById(args[0]), widget = node.widgets.find((w) => w.name === args[1]);"
            "widget.value = args[2]; widget.callback?.(args[2], app.canvas, node);",
            node,
            name,
            value,
        )

    def queue(self) -> dict:
        """Press Run and wait for the end.

        status: "success", "error", "interrupted", or "refused" when nothing ran. detail: what ended it.
        refused: {node id: why it and what needs it did not run}. outputs: {node id: its ui data}.
        """
        self.evaluate(scripts.RUN)
        return self.wait_until(scripts.RESULT, seconds=RUN_SECONDS)

    def open_tab(self) -> None:
        """A new tab with an empty graph."""
        self.evaluate(scripts.NEW_TAB)

    def go_to_first_tab(self) -> None:
        self.click(scripts.TAB)

    def enter_subgraph(self) -> None:
        """Show what is inside the graph's only subgraph."""
        self.evaluate("app.canvas.openSubgraph([...graph.subgraphs.values()][0]);")

    def show_help(self, type: str) -> None:
        """Open the help page of a node's type; the graph is of no use afterwards."""
        self.evaluate(scripts.SHOW_HELP, type)

    def show_all(self) -> None:
        """Bring the whole graph into view."""
        self.evaluate("await app.extensionManager.command.execute('Comfy.Canvas.FitView');")

    def screenshot(self, name: str) -> Path:
        """A PNG of the page, beside those of the other tests."""
        path = self.screenshots / (re.sub(r"[^\w.-]+", "_", name) + ".png")
        self.driver.save_screenshot(str(path))
        return path

    def read_errors(self) -> list[str]:
        """Errors in the console since the last call that name our files or extensions.

        Failed and blocked requests are not among them: newer editors ask the network about a node that failed.
        """
        errors = [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        messages = [entry["message"] for entry in errors if entry["source"] != "network"]
        return [json.dumps(one) for one in messages if OURS in one.lower() and "Content Security Policy" not in one]
