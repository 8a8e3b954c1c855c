// Parse Face shows the regions of the last run in colour; a click on a region's name leaves it out or takes it back.
import { app } from "../../scripts/app.js";
import { makeElement, makeFrame, makePicture } from "./elements.js";
import { chooseNodeTexts } from "./node_texts.js";
import { addResultPanel } from "./result_panel.js";
import { findWidget, setWidgets, watchWidget } from "./widgets.js";

const NODE = "ConsistentID_ParseFace";
const LIST = "left_out";
const HEIGHT_PX = 290;

function readLeftOut(node) {
  const words = String(findWidget(node, LIST).value ?? "").split(",");
  return words.map((word) => word.trim().toLowerCase()).filter(Boolean);
}

function toggleRegion(node, word) {
  const words = readLeftOut(node);
  const others = words.filter((other) => other !== word);
  setWidgets(node, { [LIST]: (others.length < words.length ? others : [...words, word]).join(", ") });
}

function makeChip(node, { word, colour, picture }, isTaken) {
  const texts = chooseNodeTexts();
  return makeElement("button", "chip", {
    textContent: picture ? word : texts.missing(word),
    disabled: !picture,
    ariaPressed: String(Boolean(picture) && isTaken),
    title: isTaken ? texts.leaveOut(word) : texts.takeBack(word),
    style: { "--colour": colour },
    onclick: () => toggleRegion(node, word),
  });
}

function drawRegions(node, photo) {
  const leftOut = readLeftOut(node);
  const taken = photo.regions.filter(({ word, picture }) => picture && !leftOut.includes(word));
  const layers = taken.map(({ picture }) => makePicture(picture, "layer"));
  const chips = photo.regions.map((region) => makeChip(node, region, !leftOut.includes(region.word)));
  return [makeFrame(photo.ratio, [makePicture(photo.picture), ...layers]), makeElement("div", "chips", {}, chips)];
}

app.registerExtension({
  name: "consistentidportraits.RegionOverlay",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const redraw = addResultPanel(node, "consistentid_regions", HEIGHT_PX, (photo) => drawRegions(node, photo));
    watchWidget(node, LIST, redraw);
  },
});
