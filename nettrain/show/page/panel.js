"use strict";

/* The panel beside the graph: what is known of the chosen node or group. */

nettrain.panel = (graph, state, { words, scopes, choose, toggle }) => {
  const { make, number } = nettrain;
  const place = document.getElementById("panel");
  const measures = ["rms", "mean", "std", "min", "max", "zero"];
  const colours = ["blue", "orange", "green", "purple", "sky", "red", "brown", "muted"];
  let plots = [];

  const button = (text, click) => make("button", { type: "button", click }, text);

  const buttons = (title, numbers) => {
    if (!numbers.length) return null;
    const links = numbers.map((i) => button(graph.nodes[i].label, () => choose(`node:${i}`)));
    return make("p", {}, `${title} `, ...links);
  };

  const terms = (rows) => {
    const kept = rows.filter(([, text]) => text);
    const parts = kept.flatMap(([head, text]) => [
      make("dt", {}, head),
      make("dd", {}, String(text)),
    ]);
    return make("dl", {}, ...parts);
  };

  /** Value and gradient at the moment shown. */
  const sizes = (node) => {
    const then = graph.statistics[node.id];
    const moment = state.moment;
    const of = (what, measure) => {
      if (moment < graph.moments.length) return then?.[`${what}_${measure}`]?.[moment];
      const known = node.facts[what];
      return typeof known === "object" && known !== null ? known[measure] : undefined;
    };
    const rows = measures
      .map((m) => [m === "zero" ? "zero share" : m, of("value", m), of("gradient", m)])
      .filter((row) => row[1] !== undefined || row[2] !== undefined)
      .map((row) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, row[0]),
          ...row.slice(1).map((v) => make("td", {}, number(v))),
        ),
      );
    if (!rows.length) return null;
    const heads = ["", "value", "gradient"].map((t) => make("th", { scope: "col" }, t));
    const head = make("thead", {}, make("tr", {}, ...heads));
    return make("table", {}, head, make("tbody", {}, ...rows));
  };

  /** Small curves over the recorded moments. */
  const curves = (title, lines) => {
    const series = lines
      .filter(([, values]) => values && values.some((v) => v !== null))
      .map(([label, values], i) => ({ label, values, colour: colours[i % colours.length] }));
    if (!series.length) return;
    const inner = make("div");
    place.append(make("figure", {}, make("figcaption", {}, title), inner));
    const found = series.flatMap((s) => s.values.filter((v) => v !== null));
    const low = Math.min(...found);
    const chart = {
      title,
      x: graph.moments.map(([step]) => step),
      series,
      log: low > 0 && Math.max(...found) > 30 * low,
    };
    const at = () => graph.moments[state.moment]?.[0];
    plots.push(nettrain.curve(inner, chart, { height: 130, x: "step", at }));
  };

  const about = (node, i) => {
    const from = graph.arrows.filter((a) => a[1] === i);
    const to = graph.arrows.filter((a) => a[0] === i);
    const local = [...from, ...to].map((a) => a[2]).filter(Boolean);
    const { op, shape } = node.facts;
    // What was recorded then stands in the table below.
    const known = state.moment < graph.moments.length ? {} : words.known(i);
    const parts = [
      make("h3", {}, node.id),
      terms([
        ["operation", op ?? [node.kind, ...node.details].join(" · ")],
        ["shape", op && (shape.join(" × ") || "a number")],
        ["config line", /:\d+$/.test(node.origin) ? node.origin : ""],
        ["value", known.value],
        ["gradient", known.gradient],
        ["local derivatives", known.gradient ? local.join(", ") : ""],
      ]),
      sizes(node),
      buttons("Inputs:", from.map((a) => a[0])),
      buttons("Used by:", to.map((a) => a[1])),
    ];
    place.append(...parts.filter((part) => part !== null));
    const then = graph.statistics[node.id];
    if (!then) return;
    curves("gradient, rms", [["gradient", then.gradient_rms]]);
    curves("value, rms and mean", [
      ["rms", then.value_rms],
      ["mean", then.value_mean],
    ]);
    const steps = graph.time_steps[node.id] ?? [];
    const named = (path) => path.split("/").at(-2);
    const step = (path) => [named(path), graph.statistics[path].gradient_rms];
    curves("gradient, rms, of time steps", steps.map(step));
    curves("update ratio", [["‖ΔW‖/‖W‖", then.update_ratio]]);
    curves("dead units", [["dead", then.dead]]);
  };

  const aboutScope = (path) => {
    const scope = graph.scopes[path];
    const isOpen = state.open.has(path);
    place.append(
      make("h3", {}, path),
      terms([
        ["group", `${scopes.count(path)}, ${isOpen ? "unfolded" : "folded"}`],
        ["drawn once", scopes.aside(path)],
        ["config line", scope.origin],
        ["gradient", words.strength(`scope:${path}`)],
      ]),
      button(isOpen ? "Fold" : "Unfold", () => toggle(path)),
    );
    const members = graph.nodes
      .filter((n) => graph.statistics[n.id] && (n.scope === path || n.scope.startsWith(path + "/")))
      .slice(0, colours.length);
    const named = (n) => n.id.slice(path.length + 1);
    const column = (name) => members.map((n) => [named(n), graph.statistics[n.id][name]]);
    curves("gradient, rms", column("gradient_rms"));
    curves("update ratio", column("update_ratio"));
    curves("dead units", column("dead"));
  };

  return {
    show(id) {
      plots.forEach((plot) => plot.destroy());
      plots = [];
      place.replaceChildren();
      if (id === null) {
        place.append(make("p", { class: "faint" }, "Choose a node to see its numbers."));
      } else if (scopes.isScope(id)) {
        aboutScope(scopes.pathOf(id));
      } else {
        about(scopes.nodeOf(id), scopes.numberOf(id));
      }
    },
  };
};
