const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const text = dark.matches ? "#e6eaf0" : "#1d2530", line = dark.matches ? "#323b48" : "#d8dee6";
  for (const [id, chart] of Object.entries(JSON.parse(document.getElementById("charts").textContent))) {
    const axis = {gridcolor: line, zerolinecolor: line, automargin: true};
    Plotly.react(id, chart.data, {
      ...chart.layout, paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: {color: text},
      xaxis: {...axis, ...chart.layout.xaxis}, yaxis: {...axis, ...chart.layout.yaxis},
    }, {responsive: true, displayModeBar: false});
  }
}
dark.addEventListener("change", draw);
draw();
