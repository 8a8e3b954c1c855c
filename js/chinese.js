// @ts-check
// The Chinese of texts that the server and the workflows give in English: tables in zh/, read in a Chinese editor only.
import { isChinese } from "./language.js";
import { makeTranslate } from "./translation.js";

/** @import { Table, Translate } from "./translation.js" */

const TEXTS = ["workflows", "models", "results", "errors"];

/** @type {Translate} */
const keep = (text) => text;
let translators = { texts: keep, sockets: keep, choices: keep };

/** @param {string} name @returns {Promise<Table>} */
async function readTable(name) {
  return (await fetch(new URL(`./zh/${name}.json`, import.meta.url))).json();
}

/** Read the tables, if the editor is Chinese. Without them all stays English. */
export async function loadChinese() {
  if (!isChinese()) return;
  try {
    const [sockets, choices, ...texts] = await Promise.all(["sockets", "choices", ...TEXTS].map(readTable));
    translators = {
      texts: makeTranslate(Object.assign({}, choices, ...texts)),
      sockets: makeTranslate(sockets),
      choices: makeTranslate(choices),
    };
  } catch (error) {
    console.warn("ConsistentID: the Chinese texts were not read.", error);
  }
}

/** @type {Translate} a title, a note, a report, an error */
export const translate = (text) => translators.texts(text);
/** @type {Translate} the name of a subgraph's input or output */
export const translateSocket = (name) => translators.sockets(name);
/** @type {Translate} what a list offers, or the name of a region */
export const translateChoice = (value) => translators.choices(value);
