"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const choices = [...document.querySelectorAll("select")];
const narrow = window.matchMedia("(max-width: 600px)");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

const chosen = (name) => document.querySelector(`select[name="${name}"]`).value;

/** The figure's layout in the page's colours; on a narrow screen with short labels. */
function dressed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--quiet"), linecolor: colour("--line") };
  const made = structuredClone(layout);
  for (const name of Object.keys(made).filter((key) => /^[xy]axis/.test(key))) Object.assign(made[name], axis);
  if (narrow.matches && made.meta && made.meta.short) made.yaxis.ticktext = made.meta.short;
  return Object.assign(made, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 12, color: colour("--text") },
    hoverlabel: { bgcolor: colour("--ground"), bordercolor: colour("--line"), font: { color: colour("--text") } },
  });
}

/** The traces, with intervals that show on the page's ground; those of a coloured trace keep their colour. */
function visible(data) {
  const text = getComputedStyle(document.documentElement).getPropertyValue("--quiet").trim();
  return data.map((trace) => trace.error_y ? { ...trace, error_y: { color: text, ...trace.error_y } } : trace);
}

function draw() {
  for (const part of document.querySelectorAll("[data-direction]")) part.hidden = part.dataset.direction !== chosen("direction");
  for (const element of document.querySelectorAll(".chart")) {
    const key = [element.dataset.kind, ...element.dataset.by.split(" ").map(chosen)].join("|");
    const figure = charts[key];
    element.nextElementSibling.hidden = Boolean(figure);
    element.hidden = !figure;
    if (!figure) { Plotly.purge(element); continue; }
    element.style.height = figure.layout.height + "px"; // else a resize finds no height to keep
    element.style.minWidth = (figure.layout.meta && figure.layout.meta.min_width || 0) + "px";
    Plotly.react(element, visible(figure.data), dressed(figure.layout), { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"], displayModeBar: narrow.matches ? false : "hover" });
  }
}

for (const choice of choices) choice.addEventListener("change", draw);
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
draw();
