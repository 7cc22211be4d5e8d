"use strict";

/* Curves with uPlot. A chart is {title, x, series: [{label, colour, values}], log, best};
   a series with `low` and `high` has a band between them. In the place of one without any
   value stands why: `blank`. */

/** What is drawn of a chart: its places, each series, the edges of each band, its best epoch. */
nettrain.plotted = (chart, log) => {
  const edges = chart.series.filter((s) => s.low).flatMap((s) => [s.high, s.low]);
  const positive = (value) => (value > 0 ? value : null);
  const mark = (chart.best ?? null) === null ? [] : [chart.x.map(() => null)];
  const all = [...chart.series.map((s) => s.values), ...edges, ...mark];
  return [chart.x, ...all.map((values) => (log ? values.map(positive) : values))];
};

/** Steps from one tick of an axis of epochs to the next: whole ones where there are two,
    or nothing stands between. */
nettrain.ticks = (() => {
  const decades = [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000, 100000];
  const all = decades.flatMap((ten) => [1, 2, 5].map((n) => Number((n * ten).toPrecision(1))));
  const whole = all.filter((step) => step >= 1);
  const isWhole = (plot) => plot.data[0].every(Number.isInteger);
  return (plot, axis, min, max) => (max - min >= 2 || isWhole(plot) ? whole : all);
})();

/** Lines of a logarithmic grid: of many decades only their ends. */
nettrain.decades = (plot, splits) => {
  const whole = (exponent) => Math.abs(exponent - Math.round(exponent)) < 1e-6;
  const ends = splits.filter((value) => whole(Math.log10(value)));
  return ends.length > 3 ? splits.map((value) => (ends.includes(value) ? value : null)) : splits;
};

nettrain.curve = (place, chart, options = {}) => {
  const { colour, number } = nettrain;
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
  const told = (chart.best ?? null) !== null;
  const mark = (plot) => {
    const at = options.at ? options.at() : chart.best;
    if (at === null || at === undefined) return;
    if (told && !plot.series.at(-1).show) return;
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
    points: {
      show: (plot, i) =>
        series.label !== "guessing" && plot.data[i].filter((v) => v !== null).length <= 12,
      size: 6,
      fill: colour(series.colour),
    },
    // On a logarithmic scale what is not positive is not drawn, but told.
    value: (plot, value, i, at) =>
      number((at ?? null) === null ? null : chart.series[i - 1].values[at]),
  }));
  /** Where the last value of a series is, at the cursor or left of it. */
  const before = (plot, i, at) => {
    const values = chart.series[i - 1]?.values;
    const found = values ? values.findLastIndex((v, n) => n <= at && v !== null) : at;
    return found < 0 ? null : found;
  };
  // The edges of a band are series of their own, without a line and not in the legend.
  const bands = [];
  for (const series of chart.series.filter((s) => s.low)) {
    const edge = { label: "", class: "edge", width: 0, spanGaps: true, points: { show: false } };
    const [high, low] = [lines.length + 1, lines.length + 2];
    bands.push({ series: [high, low], fill: colour(series.colour) + "38" });
    lines.push({ ...edge }, { ...edge });
  }
  if (told) {
    const look = { stroke: colour("ink"), width: 1, dash: [2, 4] };
    lines.push({ label: "best epoch", ...look, value: () => number(chart.best) });
  }
  const together = (plot, index, change) => {
    const banded = chart.series.filter((s) => s.low).indexOf(chart.series[index - 1]);
    if (banded < 0 || change.show === undefined) return;
    bands[banded].series.forEach((edge) => plot.setSeries(edge, { show: change.show }));
  };
  const plot = new uPlot(
    {
      width: Math.max(place.clientWidth, 220),
      height: options.height ?? 260,
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      series: [{ label: options.x ?? "epoch", value: (u, v) => number(v) }, ...lines],
      axes: [
        axis({ size: 30, incrs: nettrain.ticks }),
        axis({
          size: 62,
          values: (u, ticks) => ticks.map((t) => (t === null ? "" : number(t))),
          grid: { ...axis().grid, ...(log && { filter: nettrain.decades }) },
        }),
      ],
      bands,
      cursor: {
        drag: { x: true, y: false },
        points: { show: (plot, i) => i <= chart.series.length },
        dataIdx: before,
      },
      hooks: { draw: [mark], setSeries: [together] },
    },
    nettrain.plotted(chart, log),
    place,
  );
  const tell = () => {
    const last = chart.series
      .map((s) => `${s.label} ends at ${number(s.values.findLast((v) => v !== null))}`)
      .join(", ");
    plot.root.querySelector(".u-wrap").setAttribute("role", "img");
    plot.root.querySelector(".u-wrap").setAttribute("aria-label", `${chart.title}: ${last}`);
  };
  tell();
  /** Whether only a part of it is shown. */
  plot.zoomed = () => {
    const { min, max } = plot.scales.x;
    return min > plot.data[0][0] || max < plot.data[0].at(-1);
  };
  /** Draw what the chart has become; who has zoomed in stays there. */
  plot.follow = () => {
    const zoomed = plot.zoomed();
    plot.setData(nettrain.plotted(chart, log), !zoomed);
    if (zoomed) plot.redraw();
    tell();
  };
  return plot;
};

/**
 * The charts of a run, with one switch between linear and logarithmic for all.
 * Gives a function that draws them as they have become: each stays in its place.
 */
nettrain.charts = (charts) => {
  const place = document.getElementById("charts");
  const switches = [...document.querySelectorAll("input[name=scale]")];
  let [chosen, drawn] = [null, []];
  const isLog = () => chosen ?? drawn.some(({ chart }) => chart.title === "loss" && chart.log);
  // A metric between 0 and 1 keeps its own scale; the switch is for what decays.
  const scale = (chart) => isLog() && (chart.title === "loss" || chart.log);
  const series = (chart) =>
    JSON.stringify([(chart.best ?? null) === null, ...chart.series.map((s) => s.label)]);

  /** Draw a chart anew; what was zoomed in on or hidden stays so. */
  const draw = (one) => {
    const before = one.plot;
    const hidden = new Set(before?.series.filter((s) => !s.show).map((s) => s.label));
    const zoomed = before?.zoomed() && { ...before.scales.x };
    before?.destroy();
    one.plot = null;
    one.inner.textContent = one.chart.blank ?? "";
    if (one.chart.blank) return;
    one.log = scale(one.chart);
    const height = one.chart.title === "loss" ? 320 : 220;
    one.plot = nettrain.curve(one.inner, one.chart, { log: one.log, height });
    if (zoomed) one.plot.setScale("x", { min: zoomed.min, max: zoomed.max });
    one.plot.series.forEach((s, i) => {
      if (s.label && hidden.has(s.label)) one.plot.setSeries(i, { show: false });
    });
  };
  const check = () => {
    for (const input of switches) input.checked = (input.value === "log") === isLog();
  };
  const every = () => {
    check();
    drawn.forEach(draw);
  };
  const begun = (chart) => {
    const inner = nettrain.make("div", { class: "faint" });
    const title = nettrain.make("figcaption", {}, chart.title);
    return { chart, inner, figure: nettrain.make("figure", {}, title, inner) };
  };
  /** Give each chart its figure; one that has one already keeps it. */
  const arrange = (fresh) => {
    const left = [...drawn];
    drawn = fresh.map((chart) => {
      const at = left.findIndex((one) => one.chart.title === chart.title);
      const one = at < 0 ? begun(chart) : left.splice(at, 1)[0];
      one.same = one.plot && !chart.blank && series(one.chart) === series(chart);
      Object.assign(one.chart, chart);
      return one;
    });
    for (const { plot, figure } of left) {
      plot?.destroy();
      figure.remove();
    }
    drawn.forEach((one, i) => {
      const there = place.children[i] ?? null;
      if (there !== one.figure) place.insertBefore(one.figure, there);
    });
  };
  arrange(charts);
  for (const input of switches) {
    input.addEventListener("change", () => {
      chosen = input.value === "log";
      every();
    });
  }
  nettrain.themed(every);
  new ResizeObserver(() => {
    for (const { plot, inner } of drawn) {
      const width = Math.max(inner.clientWidth, 220);
      if (plot && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  }).observe(place);
  return (fresh) => {
    arrange(fresh);
    check();
    for (const one of drawn) {
      if (one.same && one.log === scale(one.chart)) one.plot.follow();
      else draw(one);
    }
  };
};
