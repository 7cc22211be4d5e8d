"use strict";

/* Curves with uPlot. A chart is {title, x, series: [{label, colour, values}], log, best}. */

nettrain.curve = (place, chart, options = {}) => {
  const { colour, number } = nettrain;
  const positive = (value) => (value > 0 ? value : null);
  const log =
    (options.log ?? chart.log) && chart.series.some((s) => s.values.some((v) => v > 0));
  const faint = (series) => ["each batch", "guessing"].includes(series.label);
  const axis = (more) => ({
    stroke: colour("muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { stroke: colour("pale"), width: 1, size: 4 },
    ...more,
  });
  const mark = (plot) => {
    const at = options.at ? options.at() : chart.best;
    if (at === null || at === undefined) return;
    const x = plot.valToPos(at, "x", true);
    const { top, height } = plot.bbox;
    plot.ctx.save();
    plot.ctx.strokeStyle = colour("ink");
    plot.ctx.setLineDash([2, 4]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, top);
    plot.ctx.lineTo(x, top + height);
    plot.ctx.stroke();
    plot.ctx.restore();
  };
  const lines = chart.series.map((series) => ({
    label: series.label,
    stroke: colour(series.colour),
    width: faint(series) ? 1 : 2,
    dash: series.label === "guessing" ? [6, 4] : undefined,
    spanGaps: true,
    points: { show: series.values.filter((v) => v !== null).length <= 12 },
    value: (plot, value) => number(value),
  }));
  const plot = new uPlot(
    {
      width: Math.max(place.clientWidth, 220),
      height: options.height ?? 260,
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      series: [{ label: options.x ?? "epoch", value: (u, v) => number(v) }, ...lines],
      axes: [
        axis({ size: 30 }),
        axis({ size: 62, values: (u, ticks) => ticks.map((t) => (t === null ? "" : number(t))) }),
      ],
      cursor: { drag: { x: true, y: false } },
      hooks: { draw: [mark] },
    },
    [chart.x, ...chart.series.map((s) => (log ? s.values.map(positive) : s.values))],
    place,
  );
  const last = chart.series
    .map((s) => `${s.label} ends at ${number(s.values.findLast((v) => v !== null))}`)
    .join(", ");
  plot.root.querySelector(".u-wrap").setAttribute("role", "img");
  plot.root.querySelector(".u-wrap").setAttribute("aria-label", `${chart.title}: ${last}`);
  return plot;
};

/** The charts of a run, with one switch between linear and logarithmic for all. */
nettrain.charts = (charts) => {
  const place = document.getElementById("charts");
  const switches = [...document.querySelectorAll("input[name=scale]")];
  let log = charts.some((chart) => chart.title === "loss" && chart.log);
  let plots = [];
  const figures = charts.map((chart) => {
    const inner = nettrain.make("div");
    const title = nettrain.make("figcaption", {}, chart.title);
    place.append(nettrain.make("figure", {}, title, inner));
    return inner;
  });
  const draw = () => {
    plots.forEach((plot) => plot.destroy());
    plots = charts.map((chart, i) =>
      nettrain.curve(figures[i], chart, {
        // A metric between 0 and 1 keeps its own scale; the switch is for what decays.
        log: log && (chart.title === "loss" || chart.log),
        height: chart.title === "loss" ? 320 : 220,
      }),
    );
  };
  for (const input of switches) {
    input.checked = (input.value === "log") === log;
    input.addEventListener("change", () => {
      log = input.value === "log";
      draw();
    });
  }
  nettrain.themed(draw);
  new ResizeObserver(() => {
    plots.forEach((plot, i) => {
      const width = Math.max(figures[i].clientWidth, 220);
      if (plot.width !== width) plot.setSize({ width, height: plot.height });
    });
  }).observe(place);
};
