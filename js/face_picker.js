// @ts-check
// Detect Face shows the photo with all faces of the last run; a click on one chooses it.
import { app } from "../../scripts/app.js";
import { translate } from "./chinese.js";
import { makeElement, makeFrame, makePicture } from "./elements.js";
import { listChosen, placeBox } from "./face_choice.js";
import { chooseNodeTexts } from "./language.js";
import { addResultPanel } from "./result_panel.js";
import { findWidget, setWidgets, watchWidget } from "./widgets.js";

/** @import { FoundPhoto } from "./face_choice.js" */

const NODE = "ConsistentID_DetectFace";
const BY_POSITION = "left to right";
const HEIGHT_PX = 140;

/** @param {Editor.Node} node @param {FoundPhoto} photo @param {number} index @param {boolean} chosen */
function makeFace(node, photo, index, chosen) {
  const about = [chooseNodeTexts().face(index, photo.faces.length), translate(photo.faces[index].about)];
  return makeElement("button", "face", {
    textContent: String(index),
    title: about.filter(Boolean).join(": "),
    ariaPressed: String(chosen),
    style: { ...placeBox(photo.faces[index].box), "--colour": photo.colours[chosen ? 0 : 1] },
    onclick: () => setWidgets(node, { select: BY_POSITION, index }),
  });
}

/** @param {Editor.Node} node @param {FoundPhoto} photo */
function drawPhoto(node, photo) {
  const chosen = listChosen(photo, findWidget(node, "select").value, findWidget(node, "index").value);
  const faces = photo.faces.map((_, index) => makeFace(node, photo, index, chosen.includes(index)));
  const { clickFace, noFace } = chooseNodeTexts();
  const hint = [noFace, ""][faces.length] ?? clickFace;
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
