// @ts-check
// This pack's templates in order: the server lists them as its file system does, and the editor leaves them so.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const FIRST = [/^small_portrait_zoo$/, /_zoo$/, /^portrait_simple/, /^portrait/];

/** @param {string} name */
const rank = (name) => [...FIRST, /^/].findIndex((pattern) => pattern.test(name));

app.registerExtension({
  name: "consistentidportraits.TemplateOrder",
  setup() {
    const ask = api.getWorkflowTemplates;
    api.getWorkflowTemplates = async (...values) => {
      const listed = await ask.apply(api, values);
      const own = Object.values(listed).find((names) => names.includes("small_portrait_zoo"));
      own?.sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
      return listed;
    };
  },
});
