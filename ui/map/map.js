// Runs once for the map's frame: `element` is its root, `server` calls bound Python functions. HTML from the server was
// made and escaped there; texts of points are only ever set as textContent.

const state = { drawn: null, found: [], picked: null, placed: null, selected: [], wanted: null, tool: "pan", undo: [] };
let asked = 0; // a later question makes the answers to earlier ones stale

const map = () => element.querySelector(".map");
const part = (name) => element.querySelector(`.map-${name}`);
const asking = (selector) => document.querySelector(`#map-question ${selector}`); // it stands above the microphone
const field = (name) => element.querySelector(`[name=${name}]`) || asking(`[name=${name}]`);
const say = (name) => map().dataset[`map${name.replace(/(^|-)(\w)/g, (_, dash, letter) => letter.toUpperCase())}`] || name;
const plot = () => part("plot");
const model = () => window.cacaraModel || ""; // the one of the menu that answers now

const annotator = () => {
  // A random token, the same that the search results use, so that a person can take back what is theirs.
  const key = "cacara-annotator";
  let mine = null;
  try { mine = localStorage.getItem(key); } catch { /* storage is blocked: a token for this page */ }
  mine = mine || window.cacaraAnnotator;
  if (!mine) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    mine = "visitor-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    window.cacaraAnnotator = mine;
    try { localStorage.setItem(key, mine); } catch { /* as above */ }
  }
  return mine;
};

const ask = async (name, fields = {}) => {
  const common = { key: state.drawn?.key, model: model() };
  const answer = await server[name]({ ...common, ...fields }).catch(() => undefined);
  return answer || { problem: map().dataset.broken };
};

const tell = (place, answer) => {
  if (answer.html) place.innerHTML = answer.html;
  else place.replaceChildren(Object.assign(document.createElement("p"), { className: "problem", textContent: answer.problem }));
};

// drawing

const draw = async () => {
  const library = await plotly().catch(() => null);
  if (!library) return tell(part("state"), { problem: say("failed-script") });
  if (!state.drawn) return;
  const colour = field("colour").value;
  const narrow = element.clientWidth < 760;
  const parts = [...traces(state.drawn, colour, say), rings(state.drawn, state)];
  const fresh = !plot().classList.contains("js-plotly-plot");
  await library.react(plot(), parts, frame(state.tool, narrow, state), CONFIG);
  if (fresh) listen(plot());
  part("legend-note").textContent = colour === "concept" ? say("repeats") : "";
  map().dataset.drawn = state.drawn.x.length;
};

const redraw = () => { if (state.drawn && window.Plotly) draw(); };

// Picked points and queries are drawn over the others, so that thousands of them are not drawn again.
const mark = () => {
  if (!state.drawn || !plot().data) return;
  window.Plotly.relayout(plot(), { annotations: notes(state), shapes: marks(state.drawn, state) });
};

const ring = () => {
  if (!state.drawn || !plot().data) return;
  const { x, y } = rings(state.drawn, state);
  window.Plotly.restyle(plot(), { x: [x], y: [y] }, [plot().data.length - 1]);
};

const hover = (row, event) => {
  const card = part("hover");
  const { drawn } = state;
  const text = document.createElement("p");
  text.dir = "auto";
  text.textContent = drawn.text[row];
  const told = document.createElement("small");
  const words = [nameOf(drawn, "kind", drawn.kind.codes[row], say)];
  if (drawn.language.names[drawn.language.codes[row]]) words.push(nameOf(drawn, "language", drawn.language.codes[row], say));
  if (drawn.concept.names[drawn.concept.codes[row]]) words.push(drawn.concept.names[drawn.concept.codes[row]]);
  told.textContent = words.join(" · ");
  card.replaceChildren(text, told);
  if (drawn.pictured[drawn.clip[row]]) { // not every clip has a picture
    const picture = Object.assign(document.createElement("img"), { alt: "" });
    picture.src = `media/picture?clip=${encodeURIComponent(drawn.clips[drawn.clip[row]])}`;
    card.prepend(picture);
  }
  card.hidden = false;
  const box = part("sheet").getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  card.style.left = `${Math.max(4, Math.min(x + 14, box.width - card.offsetWidth - 4))}px`;
  card.style.top = `${Math.max(4, y + 18 + card.offsetHeight > box.height ? y - card.offsetHeight - 12 : y + 18)}px`;
};

const listen = (graph) => {
  graph.on("plotly_click", (event) => {
    const row = event.points[0]?.customdata;
    if (Number.isInteger(row)) pick(row, true);
  });
  graph.on("plotly_hover", (event) => {
    const row = event.points[0]?.customdata;
    if (Number.isInteger(row) && event.event) hover(row, event.event);
  });
  graph.on("plotly_unhover", () => { part("hover").hidden = true; });
  graph.on("plotly_selected", (event) => {
    if (event?.points) select(event.points.map((point) => point.customdata).filter(Number.isInteger));
  });
  graph.on("plotly_deselect", () => select([]));
};

// one point, or a query

const pick = async (row, play) => {
  const mine = ++asked;
  state.picked = row;
  mark();
  const answer = await ask("map_point", { position: row });
  if (mine !== asked) return;
  tell(part("side"), answer);
  if (play) part("side").querySelector("audio")?.play().catch(() => { /* the browser wants another click */ });
};

const showPlaced = (html) => {
  ++asked;
  part("side").innerHTML = html;
  const found = part("side").querySelector(".map-placed");
  if (!found) return;
  const { x, y, text, language } = found.dataset;
  state.placed = { x: Number(x), y: Number(y), name: label(text || say("your-query")) };
  state.picked = null;
  Object.assign(state, { query: text, language });
  mark();
};

const place = async () => {
  if (!state.drawn) return;
  const mine = ++asked;
  const button = asking("button");
  button.disabled = true;
  const answer = await ask("map_place", { query: field("query").value, language: field("language").value });
  button.disabled = false;
  if (mine !== asked) return;
  if (answer.problem) tell(part("side"), answer);
  else showPlaced(answer.html);
};

// finding

const find = () => {
  const matches = part("matches");
  const wanted = field("find").value.trim().toLowerCase();
  const { drawn } = state;
  state.found = [];
  matches.replaceChildren();
  if (wanted && drawn) {
    const named = (name, row) => nameOf(drawn, name, drawn[name].codes[row], say).toLowerCase();
    drawn.text.forEach((text, row) => {
      if (text.toLowerCase().includes(wanted) || (drawn.concept.names[drawn.concept.codes[row]] || "").toLowerCase() === wanted
        || named("language", row) === wanted) state.found.push(row);
    });
    const told = state.found.length ? say("found").replace("{count}", state.found.length) : say("found-none");
    matches.append(Object.assign(document.createElement("span"), { textContent: told }));
    for (const row of state.found.slice(0, 8)) {
      const button = Object.assign(document.createElement("button"), { type: "button", dir: "auto", textContent: drawn.text[row] });
      button.dataset.position = row;
      matches.append(button);
    }
    if (state.found.length) {
      const all = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: say("select-found") });
      all.dataset.action = "select-found";
      matches.append(all);
    }
  }
  ring();
};

// several points

const select = async (rows) => {
  state.selected = rows;
  state.undo = [];
  const section = part("selection");
  section.hidden = !rows.length;
  if (!rows.length) return section.replaceChildren();
  const query = state.query || (state.picked === null ? "" : state.drawn.text[state.picked]);
  const answer = await ask("map_select", { positions: rows, query });
  if (rows === state.selected) tell(section, answer);
};

const clear = () => {
  select([]);
  window.Plotly.restyle(plot(), { selectedpoints: [null] });
  window.Plotly.relayout(plot(), { selections: [] });
};

const save = async () => {
  const answer = await ask("map_export", { positions: state.selected });
  if (answer.problem) return tell(part("selection"), answer);
  const link = document.createElement("a");
  // The mark tells spreadsheets that it is UTF-8.
  link.href = URL.createObjectURL(new Blob(["\ufeff", answer.csv], { type: "text/csv" }));
  link.download = answer.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

const verdict = (text, wrong) => {
  const line = part("judge").querySelector(".verdict");
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
  part("judge").querySelector("[data-action=undo]").hidden = !state.undo.length;
};

const judge = async (button) => {
  button.disabled = true;
  const answer = await ask("map_flag", {
    positions: state.selected, query: field("judged").value, label: button.dataset.label, annotator: annotator(),
  });
  button.disabled = false;
  if (!answer.problem) state.undo.push(answer.judgement_ids);
  verdict(answer.problem || answer.message, Boolean(answer.problem));
};

const undo = async () => {
  const answer = await ask("map_undo", { judgement_ids: state.undo.at(-1), annotator: annotator() });
  if (!answer.problem) state.undo.pop();
  verdict(answer.problem || map().dataset.undone, Boolean(answer.problem));
};

// asking for a map, and waiting for it

const ticked = () => [...part("languages-list").querySelectorAll("input:checked")].map((box) => box.value);

const open = async () => {
  const mine = ++state.opening;
  const wanted = { languages: state.wanted, centred: field("centred").value === "centred", visitor: annotator() };
  plotly().catch(() => null); // fetched while the map is
  let answer = await ask("map_open", wanted);
  while (mine === state.opening && ["preparing", "fitting"].includes(answer.state)) {
    state.making = answer.key;
    const focused = part("state").contains(document.activeElement);
    tell(part("state"), answer);
    if (focused) part("state").querySelector("button")?.focus();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (mine !== state.opening || !element.isConnected) return;
    answer = answer.state === "fitting" ? await ask("map_progress", { key: answer.key }) : await ask("map_open", wanted);
    if (answer.state === "made") answer = await ask("map_open", wanted);
  }
  if (mine !== state.opening) return;
  if (answer.state !== "ready") return tell(part("state"), answer);
  part("state").replaceChildren();
  const same = state.drawn?.key === answer.map.key;
  Object.assign(state, { drawn: { ...answer.map, languages: answer.languages }, making: null });
  if (!same) Object.assign(state, { found: [], picked: null, placed: null, selected: [], query: "", language: "" });
  map().dataset.key = answer.map.key;
  part("languages-list").innerHTML = answer.boxes;
  part("chosen").textContent = `(${Object.keys(answer.languages).length})`;
  field("language").innerHTML = answer.options;
  part("measures").innerHTML = answer.measures;
  await draw();
  if (field("query").value.trim() && !same) place();
};

const stop = async () => {
  ++state.opening;
  tell(part("state"), await ask("map_stop", { key: state.making, visitor: annotator() }));
};

state.opening = 0;
document.querySelector("#map-question").addEventListener("submit", (event) => { event.preventDefault(); place(); });
element.addEventListener("submit", (event) => event.preventDefault());
element.addEventListener("input", (event) => { if (event.target.name === "find") find(); });
element.addEventListener("change", (event) => {
  if (event.target.name === "colour") redraw();
  if (event.target.name === "centred") open();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { action, position, label: answer, tool, zoom } = button.dataset;
  if (position !== undefined) pick(Number(position), true);
  if (answer) judge(button);
  if (tool) {
    state.tool = tool;
    element.querySelectorAll("[data-tool]").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
    if (plot().data) window.Plotly.relayout(plot(), { dragmode: tool });
  }
  if (zoom && plot().data) {
    const range = (axis) => {
      const [low, high] = plot().layout[axis].range;
      const [middle, half] = [(low + high) / 2, ((high - low) / 2) * (zoom === "in" ? 0.6 : 1 / 0.6)];
      return zoom === "all" ? [-1.08, 1.08] : [middle - half, middle + half];
    };
    window.Plotly.relayout(plot(), { "xaxis.range": range("xaxis"), "yaxis.range": range("yaxis") });
  }
  ({
    stop, undo, clear, export: save,
    draw: () => { if (ticked().length) state.wanted = ticked(); open(); },
    "select-found": () => select([...state.found]),
  })[action]?.();
});

// The frame is asked for content when it is first seen, and again when it was replaced (another interface language).
const begin = () => {
  map().addEventListener("heard", (event) => {
    showPlaced(event.detail);
    part("body").scrollIntoView({ block: "nearest" });
  });
  if (seen) open();
};
let seen = false;
new IntersectionObserver((entries) => {
  if (!seen && entries.some((entry) => entry.isIntersecting)) { seen = true; open(); }
}).observe(element);
watch("value", begin);
begin();
document.addEventListener("cacara-model", () => { if (seen) open(); });

// Light and dark differ in the colours of the page, which the picture takes over.
new MutationObserver(redraw).observe(document.body, { attributeFilter: ["class"] });
