// @ts-check
// The Chinese of texts that the server and the workflows give in English: tables in zh/, read in a Chinese editor only.
import { isChinese, loadTraditional, readTable } from "./language.js";
import { convertAll } from "./traditional.js";
import { makeTranslate } from "./translation.js";

/** @import { Table, Translate } from "./translation.js" */

const TABLES = ["choices", "sockets", "workflows", "models", "results", "errors"];

/** @type {Translate} */
const keep = (text) => text;
let translators = { texts: keep, errors: keep, sockets: keep, choices: keep };

/** Read the tables, if the editor is Chinese. Without them all stays English. */
export async function loadChinese() {
  if (!isChinese()) return;
  try {
    const convert = await loadTraditional();
    /** @type {Table[]} */
    const tables = (await Promise.all(TABLES.map(readTable))).map((table) => convertAll(table, convert));
    const [choices, sockets, workflows, models, results, errors] = tables;
    translators = {
      texts: makeTranslate({ ...workflows, ...models, ...results }, choices),
      errors: makeTranslate({ ...models, ...results, ...errors }, choices),
      sockets: makeTranslate(sockets),
      choices: makeTranslate(choices),
    };
  } catch (error) {
    console.warn("ConsistentID: the Chinese texts were not read.", error);
  }
}

/** @type {Translate} a title, a note, a report, what is said of a model */
export const translate = (text) => translators.texts(text);
/** @type {Translate} */
export const translateError = (text) => translators.errors(text);
/** @type {Translate} the name of a subgraph's input or output */
export const translateSocket = (name) => translators.sockets(name);
/** @type {Translate} what a list offers, or the name of a region */
export const translateChoice = (value) => translators.choices(value);
