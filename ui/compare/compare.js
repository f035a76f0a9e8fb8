// Runs once for the comparison: `element` is its root, whose content the server may replace at any time, and `server`
// calls bound Python functions. Plotly is asked of this server when the first chart is drawn.

const dark = () => document.querySelector(".dark") !== null;

const plotly = () => {
  window.cacaraPlotly = window.cacaraPlotly || new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "media/plotly.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { window.cacaraPlotly = undefined; reject(new Error("plotly.js")); };
    document.head.append(script);
  });
  return window.cacaraPlotly;
};

const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();

// Blue for much or early, orange for late: told apart with any colour blindness; the middle is the page's paper.
const scales = () => ({
  rank: [[0, colour("--accent")], [0.5, colour("--neither-soft")], [1, colour("--against")]],
  amount: [[0, colour("--neither-soft")], [1, colour("--accent")]],
});

const chosen = (chart) => {
  const figures = JSON.parse(chart.dataset.figures);
  const measure = element.querySelector("select[name=measure]");
  return figures[chart.dataset.kind === "places" && measure ? measure.value : "all"];
};

const dressed = (figure) => {
  const known = scales();
  const font = { family: getComputedStyle(element).fontFamily, size: 12, color: colour("--ink") };
  const data = figure.data.map((trace) => ({
    ...trace,
    colorscale: known[trace.colorscale],
    colorbar: { ...trace.colorbar, tickfont: { ...font, size: 11 }, title: { ...trace.colorbar.title, font } },
  }));
  const layout = {
    ...figure.layout,
    font,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("--sheet"), bordercolor: colour("--line"), font: { ...font, size: 14 } },
  };
  return { data, layout };
};

const draw = async (chart) => {
  const Plotly = await plotly();
  if (!chart.isConnected) return;
  const { data, layout } = dressed(chosen(chart));
  chart.style.minWidth = `${layout.meta.min_width}px`;
  chart.style.maxWidth = `${layout.meta.max_width}px`;
  chart.style.height = `${layout.height}px`;
  await Plotly.react(chart, data, layout, { displayModeBar: false, responsive: true });
  if (chart.dataset.drawn) return;
  chart.dataset.drawn = "yes";
  chart.on("plotly_click", (event) => {
    const concepts = chosen(chart).layout.meta.concepts;
    const select = element.querySelector("select[name=concept]");
    if (!concepts || !select) return;
    select.value = concepts[event.points[0].x];
    look(select.value);
  });
};

const drawAll = () => {
  for (const chart of element.querySelectorAll(".chart")) {
    draw(chart).catch(() => { chart.textContent = root().dataset.broken; });
  }
};

const root = () => element.querySelector(".comparison");

const say = (button, text) => {
  const said = button.closest(".downloads").querySelector(".said");
  said.textContent = text;
};

const look = async (concept) => {
  const page = root();
  const place = page.querySelector(".concept");
  place.setAttribute("aria-busy", "true");
  const answer = await server.show_concept({
    comparison: page.dataset.comparison, concept,
  }).catch(() => undefined);
  place.removeAttribute("aria-busy");
  if (!answer || answer.problem) {
    place.textContent = answer ? answer.problem : page.dataset.broken;
    return;
  }
  place.dataset.concept = concept;
  place.innerHTML = answer.html; // made by rendering.py, where every text is escaped
};

const save = (name, url) => {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
};

const saveTable = async (button) => {
  const page = root();
  const closer = button.closest(".concept");
  const answer = await server.make_csv({
    comparison: page.dataset.comparison,
    table: button.dataset.csv,
    concept: closer ? closer.dataset.concept : null,
  }).catch(() => undefined);
  if (!answer || answer.problem) { say(button, answer ? answer.problem : page.dataset.broken); return; }
  // The mark tells spreadsheets that it is UTF-8.
  const url = URL.createObjectURL(new Blob(["\ufeff", answer.content], { type: "text/csv;charset=utf-8" }));
  save(answer.name, url);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

const savePicture = async (button) => {
  const chart = button.closest("section").querySelector(".chart");
  const Plotly = await plotly();
  const { data, layout } = dressed(chosen(chart));
  // A picture has no page behind it.
  const figure = { data, layout: { ...layout, paper_bgcolor: dark() ? "#141516" : "#ffffff" } };
  const size = { width: Math.round(layout.meta.min_width), height: Math.round(layout.height) };
  const scale = Math.max(1, Math.min(2, 4000 / Math.max(size.width, size.height)));
  save(`compare-${chart.dataset.kind}.png`, await Plotly.toImage(figure, { format: "png", scale, ...size }));
};

let player = null;
let playing = null;
const quiet = () => {
  player?.pause();
  playing?.setAttribute("aria-pressed", "false");
  playing = null;
};
const play = (button) => {
  const again = playing === button;
  quiet();
  if (again) return;
  player = player || new Audio();
  player.src = button.dataset.sound;
  player.onended = quiet;
  player.onerror = quiet;
  playing = button;
  button.setAttribute("aria-pressed", "true");
  player.play().catch(quiet);
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.sound) play(button);
  if (button.dataset.csv) saveTable(button);
  if ("picture" in button.dataset) savePicture(button).catch(() => say(button, root().dataset.broken));
});
element.addEventListener("change", (event) => {
  if (event.target.name === "concept") look(event.target.value);
  if (event.target.name === "measure") draw(element.querySelector(".chart[data-kind=places]"));
});

// Content that the server put in, whole or in part; what Plotly adds inside a chart is not ours to look at.
new MutationObserver((changes) => {
  if (changes.some(({ target }) => !target.closest?.(".chart"))) {
    for (const chart of element.querySelectorAll(".chart:not([data-drawn])")) {
      draw(chart).catch(() => { chart.textContent = root()?.dataset.broken ?? ""; });
    }
  }
}).observe(element, { childList: true, subtree: true });
new MutationObserver(drawAll).observe(document.body, { attributes: true, attributeFilter: ["class"] });
drawAll();
