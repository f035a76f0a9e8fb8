// The picture of the map: what Plotly is given. `map.js`, which follows in the same script, does the rest.

const COLOURS = ["#3f82d6", "#e0803c", "#2f9e78", "#a766c4", "#c39a1d", "#d0505f", "#4aa3b5", "#7d6b5a",
  "#5b5bd0", "#8fa32b", "#d274ad", "#b8863f"];
const REST = "#8d8f99";
// Each kind has a colour and a shape of its own, so that no colour is needed to tell them apart.
const KIND = {
  text: { colour: "#3f82d6", symbol: "circle", size: 5 },
  audio: { colour: "#e0803c", symbol: "diamond", size: 9 },
  image: { colour: "#2f9e78", symbol: "square", size: 6 },
};

// One library for all visits of the page; it is fetched from this app when the map is first looked at.
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

const drawsFast = (() => {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
})();
const POINTS = drawsFast ? "scattergl" : "scatter";

const token = (name) => getComputedStyle(element).getPropertyValue(name).trim();

const nameOf = (drawn, field, code, say) => {
  const name = drawn[field].names[code];
  if (field === "kind") return say(name);
  if (field === "language") return drawn.languages[name] || name;
  return name || say("no-concept");
};

// The points by what they are coloured by: [{ name, colour, rows }], in the order of the legend.
const groups = (drawn, field, say) => {
  const codes = drawn[field].codes;
  if (field === "concept") {
    // Hundreds of concepts: each has a colour, and several share it. One group a colour, without a legend.
    const many = COLOURS.map((colour) => ({ name: "", colour, rows: [] }));
    const none = { name: "", colour: REST, rows: [] };
    codes.forEach((code, row) => (drawn.concept.names[code] ? many[code % many.length] : none).rows.push(row));
    return [...many, none].filter((group) => group.rows.length);
  }
  const made = new Map();
  codes.forEach((code, row) => {
    // Sounds and pictures are in no language; they are grey there, and told apart by shape.
    const kind = drawn.kind.names[drawn.kind.codes[row]];
    const key = field === "language" && kind !== "text" ? `kind ${kind}` : code;
    if (!made.has(key)) {
      const other = typeof key === "string";
      const name = other ? say(kind) : nameOf(drawn, field, code, say);
      made.set(key, { name, rows: [], colour: other ? REST : field === "kind" ? KIND[kind].colour : null });
    }
    made.get(key).rows.push(row);
  });
  const sorted = [...made.values()].sort((a, b) => (a.colour === REST) - (b.colour === REST));
  sorted.forEach((group, place) => { group.colour ??= COLOURS[place % COLOURS.length]; });
  return sorted;
};

const traces = (drawn, field, say) => groups(drawn, field, say).map((group) => {
  const kinds = group.rows.map((row) => KIND[drawn.kind.names[drawn.kind.codes[row]]]);
  return {
    type: POINTS, mode: "markers", name: group.name, showlegend: Boolean(group.name),
    x: group.rows.map((row) => drawn.x[row]), y: group.rows.map((row) => drawn.y[row]), customdata: group.rows,
    hoverinfo: "none",
    marker: {
      color: group.colour, symbol: kinds.map((kind) => kind.symbol), size: kinds.map((kind) => kind.size),
      opacity: 0.8, line: { width: 0 },
    },
    unselected: { marker: { opacity: 0.15 } },
  };
});

// Rings around what was found.
const rings = (drawn, state) => ({
  type: POINTS, mode: "markers", hoverinfo: "skip", showlegend: false,
  x: state.found.map((row) => drawn.x[row]), y: state.found.map((row) => drawn.y[row]),
  marker: { symbol: "circle-open", size: 13, color: token("--ink"), line: { width: 2 } },
});

// A ring around what was picked, and a star where the query falls; as large at any distance.
const STAR = Array.from({ length: 10 }, (_, corner) => {
  const [far, angle] = [corner % 2 ? 4 : 10, (Math.PI * corner) / 5];
  return `${corner ? "L" : "M"}${(far * Math.sin(angle)).toFixed(2)},${(far * Math.cos(angle)).toFixed(2)}`;
}).join("");
const marks = (drawn, state) => {
  const at = (x, y) => ({ xref: "x", yref: "y", xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y });
  const [colour, made] = [token("--against"), []];
  if (state.picked !== null) {
    made.push({ ...at(drawn.x[state.picked], drawn.y[state.picked]), type: "circle", x0: -10, x1: 10, y0: -10, y1: 10,
      line: { color: colour, width: 3 } });
  }
  if (state.placed) {
    made.push({ ...at(state.placed.x, state.placed.y), type: "path", path: `${STAR}Z`, fillcolor: colour,
      line: { color: token("--sheet"), width: 1.5 } });
  }
  return made;
};

// The query's words above its star, on paper of their own: among thousands of points bare words are not to be read.
const notes = (state) => (state.placed ? [{
  x: state.placed.x, y: state.placed.y, text: state.placed.name, showarrow: false, yshift: 24, borderpad: 3,
  xanchor: state.placed.x > 0.4 ? "right" : state.placed.x < -0.4 ? "left" : "center", // not beyond the edge
  font: { color: token("--ink"), size: 15 }, bgcolor: token("--sheet"), bordercolor: token("--against"), borderwidth: 1,
}] : []);

// Plotly reads some HTML in texts: what somebody typed is made harmless, and short.
const label = (text) => {
  const short = [...text].length > 32 ? `${[...text].slice(0, 31).join("")}…` : text;
  return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
};

const frame = (tool, narrow, state) => ({
  annotations: notes(state), shapes: marks(state.drawn, state),
  dragmode: tool, hovermode: "closest", hoverdistance: 12, uirevision: "kept", selectionrevision: "kept",
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: token("--ink"), size: 14, family: token("--font") || "sans-serif" },
  margin: { l: 4, r: 4, t: 4, b: 4 }, showlegend: true,
  legend: narrow
    ? { orientation: "h", y: -0.02, yanchor: "top", itemsizing: "constant", font: { size: 12 } }
    : { itemsizing: "constant", bgcolor: "rgba(0,0,0,0)", yanchor: "top", y: 1 },
  xaxis: { visible: false, range: [-1.08, 1.08] },
  yaxis: { visible: false, range: [-1.08, 1.08], scaleanchor: "x" }, // a step is as long in every direction
  newselection: { line: { color: token("--accent"), width: 2 } },
});

const CONFIG = { displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: "reset" };
