// @ts-check
// Inject Facial Tokens shows the prompt of the last run; words with a facial token have their region's colour.
import { app } from "../../scripts/app.js";
import { translate } from "./chinese.js";
import { makeElement } from "./elements.js";
import { chooseNodeTexts } from "./language.js";
import { addResultPanel } from "./result_panel.js";

/**
 * A prompt as nodes/boundary/display.py shows it. about, colour: of words with a facial token.
 * @typedef {{ parts: Part[], report: string, unknown?: string[] }} Prompt
 * @typedef {{ text: string, about?: string, colour?: string }} Part
 */

const NODE = "ConsistentID_InjectTokens";
const HEIGHT_PX = 130;

/** @param {Part} part */
function makePart({ text, about, colour = "" }) {
  if (!about) return text; // append() makes a text node of it
  return makeElement("mark", "word", { textContent: text, title: translate(about), style: { "--colour": colour } });
}

/** @param {Prompt} prompt */
function drawPrompt(prompt) {
  const unknown = prompt.unknown?.length ? [chooseNodeTexts().unknown(prompt.unknown.join(", "))] : [];
  return [
    makeElement("div", "prompt", { tabIndex: 0 }, prompt.parts.map(makePart)),
    makeElement("div", "hint", { textContent: [translate(prompt.report), ...unknown].join("\n") }),
  ];
}

app.registerExtension({
  name: "consistentidportraits.MarkedPrompt",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addResultPanel(node, "consistentid_prompt", HEIGHT_PX, drawPrompt);
  },
});
