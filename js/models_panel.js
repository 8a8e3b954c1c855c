// @ts-check
// The models panel in the sidebar: which model files are there, what is missing, and downloads of it.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { translate, translateError } from "./chinese.js";
import { makeElement } from "./elements.js";
import { chooseModelTexts } from "./language.js";
import { chooseGroup, lacksModels, listBases, listLacking } from "./models_facts.js";
import { makeRow } from "./models_row.js";
import { makeTotal } from "./models_total.js";

/** @import { Download, Group, Model } from "./models_facts.js" */

const TAB = "consistentid-models";
const COMMAND = "ConsistentID.ShowModels";
const WARNING = "Comfy.Workflow.ShowMissingModelsWarning";
const POLL_MS = 500;
const RETRY_MS = 3000;
const TOLD = /** @type {const} */ (["title", "purpose", "licence", "consequence", "by_hand"]);

const STYLE = `
.consistentid-models { height: 100%; padding: 12px; overflow-y: auto; color: var(--fg-color); font-size: 13px; }
.consistentid-models h2 { margin: 0 0 8px; font-size: 16px; }
.consistentid-models h3 { margin: 16px 0 4px; font-size: 14px; }
.consistentid-models h4 { margin: 0 0 4px; font-size: 13px; font-weight: bold; }
.consistentid-models p { margin: 0 0 4px; overflow-wrap: anywhere; }
.consistentid-models ul { margin: 0; padding: 0; list-style: none; }
.consistentid-models li { margin-bottom: 8px; padding: 8px; border: 1px solid var(--border-color); border-radius: 6px; }
.consistentid-models a { color: inherit; text-decoration: underline; }
.consistentid-models label { display: block; margin-bottom: 6px; cursor: pointer; }
.consistentid-models button { padding: 4px 12px; border: 1px solid var(--border-color); border-radius: 4px;
  background: var(--comfy-input-bg); color: var(--input-text); cursor: pointer; }
.consistentid-models button:disabled { opacity: 0.5; cursor: default; }
.consistentid-models progress { width: 100%; }
.consistentid-models [hidden] { display: none; }
.consistentid-models-total { margin-bottom: 8px; }
.consistentid-model-place { color: var(--descrip-text); }
.consistentid-model-progress { display: block; margin-bottom: 6px; }
.consistentid-models-status:not(:empty) { margin-bottom: 8px; }
.consistentid-model-problem:not(:empty) { margin: 6px 0 0; color: var(--error-text); }
`;

// The second one no page of another site can send: it tells the server that the request is this panel's own.
const HEADERS = { "Content-Type": "application/json", "X-Requested-With": "ConsistentID" };

/**
 * What the server answers; throws its error text.
 * @param {string} path
 * @param {object} [body] of a POST; a GET has none
 */
async function ask(path, body) {
  const request = body && { method: "POST", headers: HEADERS, body: JSON.stringify(body) };
  const response = await api.fetchApi(`/consistentid/${path}`, request);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** @param {unknown} error */
function readMessage(error) {
  return translateError(error instanceof Error ? error.message : String(error));
}

/** A model with what is said of it in the editor's language. @param {Model} model @returns {Model} */
function tellModel(model) {
  const told = Object.fromEntries(TOLD.map((name) => [name, translate(model[name])]));
  return { ...model, ...told, problem: translateError(model.problem) };
}

/** The panel, which follows downloads also while it is closed, and what it does when it is opened. */
function makePanel() {
  const texts = chooseModelTexts();
  /** @type {Map<string, ReturnType<typeof makeRow>>} */
  const rows = new Map();
  const groups = /** @type {Group[]} */ (Object.keys(texts.groups));
  const lists = new Map(groups.map((group) => [group, makeElement("ul", "model-list")]));
  const status = makeElement("p", "models-status", { role: "status" });
  const again = makeElement("button", "models-refresh", { textContent: texts.refresh, onclick: () => refresh() });
  /** @type {Model[]} */
  let models = [];
  /** @type {string[]} */
  let running = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @type {import("./models_row.js").Actions} */
  const actions = {
    start: (id, accepts) => act(id, "download", { model: id, accept_licence: accepts }),
    cancel: (id) => act(id, "cancel", { model: id }),
  };

  const totals = listBases().map((base) => makeTotal(base, texts, actions));

  /** @param {string} id @param {string} path @param {object} body */
  async function act(id, path, body) {
    try {
      await ask(path, body);
      running.push(id); // also if it ends before the first look
      await refresh();
    } catch (error) {
      rows.get(id)?.tell(readMessage(error));
    }
  }

  async function list() {
    models = (await ask("models")).models.map(tellModel);
    for (const model of models) {
      const row = rows.get(model.id) ?? makeRow(model, texts, actions);
      if (!rows.has(model.id)) {
        rows.set(model.id, row);
        lists.get(chooseGroup(model))?.append(row.row);
      }
      row.update(model);
    }
  }

  /** @param {string[]} ended */
  async function announce(ended) {
    await list();
    const ready = models.filter((model) => ended.includes(model.id) && model.state === "found");
    if (!ready.length) return;
    status.textContent = ready.map((model) => texts.ready(model.title)).join(" ");
    await app.extensionManager.command.execute("Comfy.RefreshNodeDefinitions");
  }

  async function follow() {
    /** @type {{ downloads: Record<string, Download> }} */
    const { downloads } = await ask("downloads");
    const ended = running.filter((id) => !downloads[id]);
    running = Object.keys(downloads).filter((id) => downloads[id].state !== "failed");
    if (ended.length) await announce(ended);
    for (const [id, row] of rows) {
      const { [id]: download } = downloads;
      row.show(download?.error ? { ...download, error: translateError(download.error) } : download);
    }
    for (const total of totals) total.show(models, running);
  }

  /** @param {() => Promise<void>} step */
  async function keepOn(step) {
    clearTimeout(timer);
    let pause = POLL_MS;
    try {
      await step();
      if (status.textContent === texts.noAnswer) status.textContent = "";
    } catch (error) {
      status.textContent =
        error instanceof TypeError || error instanceof SyntaxError ? texts.noAnswer : readMessage(error);
      pause = RETRY_MS;
    }
    clearTimeout(timer);
    if (running.length || pause === RETRY_MS) timer = setTimeout(() => keepOn(follow), pause);
  }

  const refresh = () =>
    keepOn(async () => {
      await list();
      await follow();
    });

  const sections = [...lists].flatMap(([group, list]) => [
    makeElement("h3", "models-group", { textContent: texts.groups[group] }),
    list,
  ]);
  const heading = makeElement("h2", "models-title", { textContent: texts.title });
  const style = makeElement("style", "models-style", { textContent: STYLE });
  const parts = [style, heading, status, ...totals.map((total) => total.element), again, ...sections];
  return {
    element: makeElement("section", "models", { ariaLabel: texts.title }, parts),
    refresh,
    /** @param {"opened" | "refused"} why */
    explain: (why) => {
      status.textContent = texts[why];
    },
  };
}

/** @type {ReturnType<typeof makePanel> | undefined} */
let panel;
/** @type {Set<string>} Workflows whose missing files were told. */
const told = new Set();
let isStarted = false; // the first graph is what was open before

/** @param {"opened" | "refused"} why */
async function open(why) {
  const { command, sidebarTab } = app.extensionManager;
  if (sidebarTab.activeSidebarTabId !== TAB) await command.execute(COMMAND);
  panel ??= makePanel();
  panel.explain(why);
}

/** @param {unknown} error */
async function openWhenRefused(error) {
  if (lacksModels(error)) await open("refused");
}

/** Opens the panel once for each workflow of this pack whose files are missing, where the editor would say so too. */
async function openWhenLacking() {
  const { graph } = app;
  if (!isStarted || !graph?.extra?.consistentid_view || told.has(graph.id)) return;
  if (app.extensionManager.setting?.get(WARNING) === false) return;
  told.add(graph.id);
  const { models } = await ask("models");
  if (app.graph?.id === graph.id && listLacking(models, graph).length) await open("opened");
}

/** Has a run that is refused for want of a model file open the panel beside the editor's own message. */
function watchRuns() {
  const queue = api.queuePrompt;
  api.queuePrompt = (...values) => {
    const answer = queue.apply(api, values);
    answer.catch(openWhenRefused); // not awaited: the editor would take this file for the cause of the error
    return answer;
  };
}

app.registerExtension({
  name: "consistentidportraits.Models",
  commands: [
    {
      id: COMMAND,
      label: chooseModelTexts().title,
      icon: "pi pi-download",
      function: () => app.extensionManager.command.execute(`Workspace.ToggleSidebarTab.${TAB}`),
    },
  ],
  menuCommands: [{ path: ["ConsistentID"], commands: [COMMAND] }],
  afterConfigureGraph() {
    openWhenLacking().catch(() => {}); // a run says it again
    isStarted = true;
  },
  setup() {
    watchRuns();
    const { title, label } = chooseModelTexts();
    app.extensionManager.registerSidebarTab({
      id: TAB,
      icon: "pi pi-download",
      title,
      label,
      tooltip: title,
      type: "custom",
      render(host) {
        panel ??= makePanel();
        host.replaceChildren(panel.element);
        panel.refresh();
      },
    });
  },
});
