// Detect Face shows the photo with all faces of the last run; a click on one chooses it.
import { app } from "../../scripts/app.js";
import { makeElement, makeFrame, makePicture } from "./elements.js";
import { chooseNodeTexts } from "./node_texts.js";
import { addResultPanel } from "./result_panel.js";
import { findWidget, setWidgets, watchWidget } from "./widgets.js";

const NODE = "ConsistentID_DetectFace";
const BY_POSITION = "left to right";
const HEIGHT_PX = 240;

function makeFace(node, photo, index, chosen) {
  const [left, top, right, bottom] = photo.faces[index].box.map((part) => `${100 * part}%`);
  const about = [chooseNodeTexts().face(index, photo.faces.length), photo.faces[index].about];
  return makeElement("button", "face", {
    textContent: index,
    title: about.filter(Boolean).join(": "),
    ariaPressed: String(chosen),
    style: {
      left,
      top,
      width: `calc(${right} - ${left})`,
      height: `calc(${bottom} - ${top})`,
      "--colour": photo.colours[chosen ? 0 : 1],
    },
    onclick: () => setWidgets(node, { select: BY_POSITION, index }),
  });
}

function listWhole(faces) {
  return faces.flatMap(({ half }, index) => (half ? [] : [index]));
}

function drawPhoto(node, photo) {
  const order = photo.orders[findWidget(node, "select").value];
  const chosen = order ? [order[findWidget(node, "index").value]] : listWhole(photo.faces);
  const faces = photo.faces.map((_, index) => makeFace(node, photo, index, chosen.includes(index)));
  const { clickFace, noFace } = chooseNodeTexts();
  const hint = { 0: noFace, 1: "" }[faces.length] ?? clickFace;
  return [
    makeFrame(photo.ratio, [makePicture(photo.picture), ...faces]),
    makeElement("div", "hint", { textContent: hint }),
  ];
}

app.registerExtension({
  name: "consistentidportraits.FacePicker",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const redraw = addResultPanel(node, "consistentid_faces", HEIGHT_PX, (photo) => drawPhoto(node, photo));
    for (const name of ["select", "index"]) watchWidget(node, name, redraw);
  },
});
