"""Where and what the editor has drawn: classic on a canvas, in Nodes 2.0 as elements of the page."""

import itertools

# Elements come one after the other; what lies upon one, as its grips do, is no part of it.
MEASURE = """
const { nodes } = app.canvas.graph;
const find = ({ id }) => document.querySelector(`.lg-node[data-node-id="${id}"]`);
const isPart = (element) => getComputedStyle(element).position !== "absolute";
function measureElement(element) {
  const parts = [element, ...[...element.children].filter(isPart)].map((one) => one.getBoundingClientRect());
  const edge = (choose, name) => choose(...parts.filter(({ height }) => height).map((part) => part[name]));
  const ends = [[edge(Math.min, "left"), edge(Math.min, "top")], [edge(Math.max, "right"), edge(Math.max, "bottom")]];
  return ends.flatMap((end) => app.clientPosToCanvasPos(end));
}
function measure(node) {
  const [x, y] = node.pos, [width, height] = node.flags.collapsed ? [node._collapsed_width, 0] : node.size;
  if (LiteGraph.vueNodesMode) return measureElement(find(node));
  return [x, y - LiteGraph.NODE_TITLE_HEIGHT, x + width, y + height];
}
function measureAll() {
  if (LiteGraph.vueNodesMode && !nodes.every(find)) return null;
  return Object.fromEntries(nodes.map((node) => [node.id, measure(node)]));
}
const before = JSON.stringify(measureAll());
for (let pictures = 0; pictures < 10; pictures++) await new Promise(requestAnimationFrame);
const boxes = measureAll();
return JSON.stringify(boxes) === before && boxes;
"""


PICTURES = """
const list = (node) => LiteGraph.vueNodesMode
  ? [...document.querySelectorAll(`.lg-node[data-node-id="${node.id}"] img`)] : node.imgs ?? [];
const shown = Object.fromEntries(graph.nodes.map((node) => [node.title, list(node)])
  .map(([title, pictures]) => [title, pictures.map((one) => [one.naturalWidth, one.naturalHeight])]));
return args[0].every((title) => shown[title]?.length && shown[title].every(([width]) => width)) && shown;
"""
WIDGET_POINT = """
const node = graph.getNodeById(args[0]), widget = node.widgets.find((one) => one.name === args[1]);
const { ds, canvas } = app.canvas;
ds.scale = 1;
app.canvas.centerOnNode(node);
app.canvas.draw(true, true);
for (let pictures = 0; pictures < 10; pictures++) await new Promise(requestAnimationFrame);
const element = document.querySelector(`.lg-node[data-node-id="${node.id}"] [data-widget-name="${widget.name}"] input`);
const { left, top, width, height } = (element ?? canvas).getBoundingClientRect();
if (element) return [Math.round(left + width / 2), Math.round(top + height / 2)];
const [x, y] = ds.convertOffsetToCanvas([node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10]);
return [Math.round(left + x), Math.round(top + y)];
"""


def list_pictures(page, titles: list[str]) -> dict[str, list]:
    """{title of a node: [width, height] of each of its pictures}, as soon as all nodes with these titles show some."""
    return page.wait_until(PICTURES, titles)


def find_widget(page, node: int, name: str) -> list[int]:
    """x, y of the middle of a widget, in pixels of the page, which is brought into view."""
    return page.evaluate(WIDGET_POINT, node, name)


def list_boxes(page) -> dict[str, list[float]]:
    """{node id: left, top, right, bottom} of all that is drawn of a node, in the graph's units, once it holds still."""
    page.show_all()
    return page.wait_until(MEASURE)


def find_overlaps(boxes: dict[str, list[float]]) -> list[tuple[str, str]]:
    """The pairs of nodes that lie on each other."""
    return [
        (one, two)
        for (one, a), (two, b) in itertools.combinations(boxes.items(), 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
