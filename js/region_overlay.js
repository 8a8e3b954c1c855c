// @ts-check
// Parse Face shows the regions of the last run in colour; a click on a region's name leaves it out or takes it back.
import { app } from "../../scripts/app.js";
import { translateChoice } from "./chinese.js";
import { makeElement, makeFrame, makePicture } from "./elements.js";
import { chooseNodeTexts } from "./language.js";
import { readWords, toggleWord } from "./left_out.js";
import { addResultPanel } from "./result_panel.js";
import { findWidget, setWidgets, watchWidget } from "./widgets.js";

/**
 * A photo as nodes/boundary/display.py shows it. picture of a region: its layer, null where it was not found.
 * @typedef {{ picture: Record<string, string>, ratio: number, regions: Region[] }} ParsedPhoto
 * @typedef {{ word: string, colour: string, picture: Record<string, string> | null }} Region
 */

const NODE = "ConsistentID_ParseFace";
const LIST = "left_out";
const HEIGHT_PX = 290;

/** @param {Editor.Node} node @param {Region} region @param {boolean} isTaken */
function makeChip(node, { word, colour, picture }, isTaken) {
  const texts = chooseNodeTexts();
  const name = translateChoice(word);
  return makeElement("button", "chip", {
    textContent: picture ? name : texts.missing(name),
    disabled: !picture,
    ariaPressed: String(Boolean(picture) && isTaken),
    title: !picture ? texts.notFound(name) : isTaken ? texts.leaveOut(name) : texts.takeBack(name),
    style: { "--colour": colour },
    onclick: () => setWidgets(node, { [LIST]: toggleWord(findWidget(node, LIST).value, word) }),
  });
}

/** @param {Editor.Node} node @param {ParsedPhoto} photo */
function drawRegions(node, photo) {
  const leftOut = readWords(findWidget(node, LIST).value);
  const taken = photo.regions.filter(({ word }) => !leftOut.includes(word));
  const layers = taken.flatMap(({ picture }) => (picture ? [makePicture(picture, "layer")] : []));
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
