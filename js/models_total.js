// @ts-check
// What a base model's portraits still lack, in the models panel, and one button that gets all of it.
import { makeElement } from "./elements.js";
import { BASES, listWanted, summarise } from "./models_facts.js";

/** @import { Base, Model } from "./models_facts.js" */
/** @import { Actions } from "./models_row.js" */
/** @import { ModelTexts } from "./models_texts.js" */

/**
 * @param {Base} base
 * @param {ModelTexts} texts
 * @param {Actions} actions
 */
export function makeTotal(base, texts, actions) {
  const name = texts.downloadAll(BASES[base]);
  const sum = makeElement("p", "models-sum");
  const accept = makeElement("input", "models-accept", { type: "checkbox" });
  const terms = makeElement("span", "models-terms");
  const agreement = makeElement("label", "models-agreement", {}, [accept, " ", terms]);
  const button = makeElement("button", "models-all", { textContent: name });
  /** @type {Model[]} */
  let wanted = [];

  function enable() {
    button.disabled = !accept.checked && wanted.some((model) => !model.accepted);
  }

  accept.onchange = enable;
  button.onclick = async () => {
    const accepts = accept.checked; // as it is now: the first answer makes it another question
    for (const model of wanted) await actions.start(model.id, accepts);
  };
  return {
    element: makeElement("div", "models-total", {}, [sum, agreement, button]),
    /** @param {Model[]} models @param {string[]} running ids of downloads */
    show(models, running) {
      wanted = listWanted(models, base).filter((model) => !running.includes(model.id));
      const open = wanted.filter((model) => !model.accepted).map((model) => model.licence);
      const text = texts.acceptAll([...new Set(open)].join("; "));
      if (terms.textContent !== text) {
        terms.textContent = text; // other licences need another answer
        accept.checked = false;
      }
      sum.textContent = summarise(models, base, texts);
      agreement.hidden = !open.length;
      button.hidden = !wanted.length;
      enable();
    },
  };
}
