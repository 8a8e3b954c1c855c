"""What EditorPage does inside the page, as bodies of async functions.

What one editor calls by another name than the next is known here alone.

An editor that is only just loaded loses what is done in it: it opens its default graph late, and a run is not heard
before the server has told the page who it is. READY waits for both.
"""

STORES = "const stores = document.querySelector('#vue-app')?.__vue_app__?.config.globalProperties.$pinia?._s;\n"
BUTTON = "document.querySelector(\"[data-testid='queue-button'] button, button[data-testid='queue-button']\")"

FORGET = """
localStorage.clear();
sessionStorage.clear();
window.name = ""; // the last page's name at the server, which forgets it when that page's connection ends
"""

# The frequencies of nodes are the last thing that the editor asks for.
READY = f"""{STORES}
return Boolean(app?.graph && app.canvas && stores?.get("nodeFrequency")?.isLoaded
  && app.api.clientId && app.api.socket?.readyState === WebSocket.OPEN && {BUTTON}
  && app.extensionManager.workflow?.activeWorkflow && LiteGraph.registered_node_types.ConsistentID_LoadAdapter);
"""

CLEAR = f"""{STORES}
const {{ workflow, sidebarTab, command }} = app.extensionManager;
sidebarTab.activeSidebarTabId = null;
stores.get("rightSidePanel")?.closePanel(); // newer editors
await command.execute("Comfy.NewBlankWorkflow");
for (const old of [...workflow.openWorkflows])
  if (old.path !== workflow.activeWorkflow.path) await workflow.closeWorkflow(old);
"""

# Dialogs come late, as that of a run the server refuses, and fade away; elements in nodes go with the next picture.
CLEARED = f"""{STORES}
const dialogs = stores.get("dialog");
[...dialogs.dialogStack].forEach((dialog) => dialogs.closeDialog(dialog));
document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
return !graph.nodes.length && !document.querySelector(".p-dialog, dialog[open], .dom-widget, .consistentid-panel");
"""

RUN = f"""
const api = app.api, ask = api.queuePrompt, listening = new AbortController(), run = {{ heard: [], refused: {{}} }};
window.lastRun?.listening.abort();
window.lastRun = Object.assign(run, {{ listening }});
const hear = ({{ type, detail }}) => run.heard.push({{ type, detail }});
for (const type of ["executed", "execution_success", "execution_error", "execution_interrupted"])
  api.addEventListener(type, hear, {{ signal: listening.signal }});
api.queuePrompt = async (...values) => {{
  delete api.queuePrompt;
  try {{
    const answer = await ask.apply(api, values);
    Object.assign(run, {{ id: answer.prompt_id, refused: answer.node_errors ?? {{}} }});
    return answer;
  }} catch (error) {{
    Object.assign(run, {{ refused: error.response?.node_errors ?? {{}}, failure: String(error) }});
    throw error;
  }}
}};
{BUTTON}.click();
"""

RESULT = """
const { id, heard, refused, failure } = window.lastRun;
if (failure) return { status: "refused", detail: failure, refused, outputs: {} };
const own = heard.filter(({ detail }) => detail.prompt_id === id), end = own.find(({ type }) => type !== "executed");
const outputs = own.filter(({ type }) => type === "executed").map(({ detail }) => [detail.node, detail.output]);
return end && {
  status: end.type.replace("execution_", ""), detail: end.detail, refused, outputs: Object.fromEntries(outputs),
};
"""

NEW_TAB = "await app.extensionManager.command.execute('Comfy.NewBlankWorkflow');"
TAB = ".workflow-tabs .p-togglebutton, [data-testid=workflow-tab] button"

# Newer editors have the help of the selected node in the panel on the right.
SHOW_HELP = f"""{STORES}
const help = stores.get("nodeHelp");
if (help) {{
  help.closeHelp();
  await new Promise((resolve) => setTimeout(resolve));
  return help.openHelp(stores.get("nodeDef").nodeDefsByName[args[0]]);
}}
const node = LiteGraph.createNode(args[0]);
graph.clear();
graph.add(node);
app.canvas.selectItems([node]);
stores.get("rightSidePanel").openPanel("info");
"""

# What went wrong is in a dialog; newer editors have it in the panel on the right, which this button opens.
MESSAGE = ".p-dialog, [data-testid=properties-panel]"
REPORT = "## Stack Trace"
OPEN_MESSAGE = "document.querySelector('[data-testid=error-overlay-see-errors]')?.click();"

# Older ones have the setting too, but show no elements in nodes.
HAS_NODES_2 = "return Number(window.__COMFYUI_FRONTEND_VERSION__?.split('.')[1]) >= 35;"

HOLDS_STILL = """
const measure = () => JSON.stringify(document.querySelector(args[0])?.getBoundingClientRect());
const before = measure();
for (let pictures = 0; pictures < 2; pictures++) await new Promise(requestAnimationFrame);
return Boolean(before && before === measure());
"""

STORE = "for (const [name, value] of Object.entries(args[0])) await app.api.storeSetting(name, value);"
