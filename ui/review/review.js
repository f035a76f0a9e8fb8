// Runs once for the tab's frame: `element` is its root, `server` calls bound Python functions. HTML from the server was made
// and escaped there; anything else is only ever set as textContent.

const frame = () => element.querySelector(".review");
const page = () => element.querySelector(".review-page");
const field = (name, place = element) => place.querySelector(`[name=${name}]`);

const memory = {};
const read = (key, where = "localStorage") => {
  try { return window[where].getItem(`cacara-${key}`) ?? memory[key] ?? ""; } catch { return memory[key] ?? ""; }
};
const keep = (key, value, where = "localStorage") => {
  memory[key] = value;
  try { window[where].setItem(`cacara-${key}`, value); } catch { /* storage is blocked: for this page only */ }
};

const state = { section: "campaigns", campaign: "", filters: {}, offset: 0, figures: null, stopped: false };
let busy = false;
let late = false; // the frame was replaced meanwhile: its content has to be asked for once more
let seen = false;

const tell = (text, wrong = false) => {
  const place = element.querySelector(".review-told");
  place.textContent = text || "";
  place.classList.toggle("wrong", wrong);
};
const say = (name, values = {}) => {
  const key = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  return Object.entries(values).reduce((text, [place, value]) => text.replace(`{${place}}`, value), frame().dataset[key] || name);
};

const admin = () => read("admin", "sessionStorage");
const ask = async (name, fields = {}) => {
  const common = { admin: admin(), lead: read("lead"), token: read("annotate-token") };
  const answer = await server[name]({ ...common, ...fields }).catch(() => undefined);
  return answer || { problem: say("broken") };
};

const alone = async (work) => {
  if (busy) return;
  busy = true;
  frame().setAttribute("aria-busy", "true");
  try { await work(); } finally { busy = false; frame().removeAttribute("aria-busy"); }
  if (late) { late = false; begin(); }
};

const put = (answer) => {
  if (answer.problem) { tell(answer.problem, true); return false; }
  page().innerHTML = answer.html;
  const lead = field("lead");
  if (lead) lead.value = read("lead");
  element.querySelectorAll("[data-section]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.section === state.section));
  });
  state.figures = answer.figures || null;
  if (state.figures) draw();
  return true;
};

const load = async () => {
  const { section, campaign, filters, offset } = state;
  return put(await ask("review_show", { section, campaign_id: campaign, filters, offset }));
};
const show = (changed = {}) => alone(async () => {
  Object.assign(state, { offset: 0 }, changed);
  if (await load()) tell("");
});

const edit = async (campaign) => {
  if (put(await ask("review_form", { campaign_id: campaign }))) tell("");
};

// pictures

const plotly = () => {
  window.cacaraPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "media/plotly.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { window.cacaraPlotly = undefined; script.remove(); reject(new Error("plotly")); };
    document.head.append(script);
  });
  return window.cacaraPlotly;
};

// Plotly reads some HTML in texts: a name is made harmless, and short, with both its ends, as names of a team begin alike.
const label = (text) => {
  const letters = [...text];
  const short = letters.length > 24 ? `${letters.slice(0, 12).join("")}…${letters.slice(-11).join("")}` : text;
  return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
};

const draw = async () => {
  const library = await plotly().catch(() => null);
  if (!library) return tell(say("review_plots_failed"), true);
  if (!state.figures) return;
  const style = getComputedStyle(frame());
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const { languages, seconds, days } = state.figures;
  const count = { rangemode: "tozero", gridcolor: colour("line"), zeroline: false };
  const drawn = {
    languages: [
      { type: "bar", name: say("review_done"), x: languages.names, y: languages.done, marker: { color: colour("accent") } },
      { type: "bar", name: say("review_left"), x: languages.names, y: languages.left, marker: { color: colour("line") } },
    ],
    // By place, not by name: two names that are shortened to the same text stay two people.
    seconds: seconds.map((each, place) => ({
      type: "box", orientation: "h", name: label(each.name), x: each.values, y: each.values.map(() => place), hoverinfo: "x",
      boxpoints: "outliers", marker: { color: colour("accent"), size: 4 }, line: { width: 1.5 }, width: 0.6,
    })),
    days: [{ type: "scatter", mode: "lines+markers", x: days.names, y: days.counts, line: { color: colour("accent") } }],
  };
  const axes = {
    seconds: {
      xaxis: count, height: Math.max(200, 110 + 34 * seconds.length), hovermode: "closest",
      yaxis: {
        tickvals: seconds.map((_, place) => place), ticktext: seconds.map((each) => label(each.name)), automargin: true,
        range: [seconds.length - 0.5, -0.5], zeroline: false, showgrid: false,
      },
    },
  };
  for (const [name, traces] of Object.entries(drawn)) {
    const place = element.querySelector(`[data-plot=${name}]`);
    if (!place) continue;
    const some = traces.some((trace) => trace.y.length);
    place.hidden = !some;
    if (!some) continue;
    await library.react(place, traces, {
      title: { text: say(`review_plot_${name}`), font: { size: 15 } }, barmode: "stack", showlegend: name === "languages",
      legend: { orientation: "h", y: -0.2 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: 320,
      font: { color: colour("ink"), family: style.fontFamily }, margin: { l: 45, r: 15, t: 40, b: 45 },
      xaxis: { type: "category", gridcolor: colour("line") }, yaxis: count, ...axes[name],
    }, { displayModeBar: false, responsive: true });
  }
};

// what is typed

const settings = (form) => ({
  name: field("name", form).value, guidelines: field("guidelines", form).value,
  languages: field("languages", form).value.split(/[\s,;]+/).filter(Boolean),
  wanted_judgements: Number(field("wanted_judgements", form).value), order: field("order", form).value,
  check_every: Number(field("check_every", form).value), open: field("open", form).checked,
});

const AT_ONCE = 20;
const addQueries = async (form) => {
  const lines = field("queries", form).value.split("\n");
  const [list, all] = [form.querySelector(".review-bad"), lines.filter((line) => line.trim()).length];
  let [done, added] = [0, 0];
  list.replaceChildren();
  state.stopped = false;
  for (let first = 0; first < lines.length && !state.stopped; first += AT_ONCE) {
    const part = lines.slice(first, first + AT_ONCE);
    const some = part.filter((line) => line.trim()).length;
    if (!some) continue;
    tell(say("review_adding", { done, all, added }));
    const told = await ask("review_add_queries", {
      campaign_id: form.dataset.campaign, queries: part.join("\n"), first_line: first + 1,
      top_k: Number(field("top_k", form).value), rival: field("rival", form).value,
    });
    if (told.problem) return tell(told.problem, true);
    done += some;
    added += told.added;
    for (const { line, problem } of told.problems) {
      list.append(Object.assign(document.createElement("li"), { textContent: say("review_problem_line", { line, problem }) }));
    }
  }
  tell((state.stopped ? `${say("review_stopped")} ` : "") + say("review_adding", { done, all, added }));
};

const own = (fields) => ({ "X-Cacara": "1", "X-Cacara-Token": admin(), ...fields });

const save = async (form) => {
  const wanted = new URLSearchParams({
    format: field("format", form).value, which: field("which", form).value, campaign: state.campaign,
    anonymous: field("anonymous", form).checked ? "yes" : "no",
  });
  const response = await fetch(`media/feedback-export?${wanted}`, { method: "POST", headers: own() }).catch(() => undefined);
  if (!response?.ok) return tell(response ? await response.text() : say("broken"), true);
  const address = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href: address, download: `feedback.${wanted.get("format")}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};

const take = async (form) => {
  const [file] = field("file", form).files;
  const place = form.querySelector(".review-imported");
  place.replaceChildren();
  if (!file) return;
  tell(say("annotate_working"));
  const wanted = new URLSearchParams({
    kind: file.name.split(".").pop().toLowerCase(), skip_bad: field("skip_bad", form).checked ? "yes" : "no",
  });
  const response = await fetch(`media/feedback-import?${wanted}`, { method: "POST", headers: own(), body: file }).catch(() => undefined);
  if (!response?.ok) return tell(response ? await response.text() : say("broken"), true);
  tell("");
  place.innerHTML = (await response.json()).html;
};

const forms = {
  enter: async (form) => { keep("admin", field("admin", form).value, "sessionStorage"); if (await load()) tell(""); },
  campaign: async (form) => {
    const made = await ask("review_save_campaign", { campaign_id: form.dataset.campaign, settings: settings(form) });
    if (made.problem) return tell(made.problem, true);
    state.campaign = made.campaign_id;
    await edit(made.campaign_id);
    tell(say("saved"));
  },
  queries: addQueries,
  checks: async (form) => {
    const told = await ask("review_add_checks", { campaign_id: form.dataset.campaign, number: Number(field("number", form).value) });
    tell(told.problem || say("review_added", { count: told.added }), Boolean(told.problem));
  },
  filter: async (form) => {
    state.offset = 0;
    state.filters = Object.fromEntries(["annotator", "language", "label", "state", "text"].map((name) => [name, field(name, form).value]));
    if (await load()) tell("");
  },
  export: save,
  import: take,
};

element.addEventListener("submit", (event) => {
  event.preventDefault();
  alone(() => forms[event.target.dataset.form](event.target));
});

const decide = (button) => alone(async () => {
  const card = button.closest("[data-pair]");
  const told = await ask("review_adjudicate", {
    pair_id: card.dataset.pair, label: button.dataset.label, note: field("note", card).value, campaign_id: state.campaign,
    seen: card.querySelector("[data-label][aria-pressed=true]")?.dataset.label || "",
  });
  if (told.problem) { await load(); return tell(told.problem, true); } // what stands by now is shown
  card.querySelectorAll("[data-label]").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
  tell(say("saved"));
});

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { section, action } = button.dataset;
  if (section) show({ section, filters: section === "judgements" ? state.filters : {} });
  else if (action === "stop") state.stopped = true;
  else if (action === "edit") alone(() => { state.campaign = button.dataset.campaign; return edit(state.campaign); });
  else if (action === "new") alone(() => edit(""));
  else if (action === "campaigns") show({ section: "campaigns" });
  else if (action === "page") show({ offset: Number(button.dataset.offset) });
  else if (action === "decide") decide(button);
});

element.addEventListener("change", (event) => {
  if (event.target.name === "campaign") show({ campaign: event.target.value });
  if (event.target.name === "lead") keep("lead", event.target.value);
});

element.addEventListener("play", (event) => {
  element.querySelectorAll("audio").forEach((other) => { if (other !== event.target) other.pause(); });
}, true);

// Content is asked for when the tab is first seen, and again when the frame was replaced (another interface language).
const begin = () => { if (busy) late = true; else if (seen) show(); };
new IntersectionObserver((entries) => {
  const visible = entries.some((entry) => entry.isIntersecting);
  if (visible && !seen) { seen = true; begin(); }
}).observe(element);
watch("value", begin);

// Light and dark differ in the colours of the page, which the pictures take over.
new MutationObserver(() => { if (state.figures && window.Plotly) draw(); }).observe(document.body, { attributeFilter: ["class"] });
