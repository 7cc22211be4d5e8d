"use strict";

/* The graph with Cytoscape; each scope is laid out by dagre alone, then as one box. */

const BENDS = [0, 60, -60, 110, -110, 170, -170, 260, -260, 400, -400];

nettrain.graph = (graph) => {
  const { colour, number } = nettrain;
  const $ = (id) => document.getElementById(id);
  const canvas = $("canvas");
  const open = new Set(graph.open);
  const last = graph.moments.length;
  let moment = last; // beyond the recorded ones: as the graph was evaluated
  let step = 0; // 0: everything is known
  let chosen = null;

  const depth = (path) => (path ? path.split("/").length : 0);
  const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
  const around = (path) => {
    const found = [];
    for (let p = path; p; p = parent(p)) found.unshift(p);
    return found;
  };
  const scopeOf = (id) =>
    id.startsWith("node:") ? graph.nodes[id.slice(5)].scope : parent(id.slice(6));

  const isFrame = (id) => id.startsWith("scope:") && open.has(id.slice(6));

  /** What is seen of a node: itself, or the outermost folded scope around it. */
  const seen = (i) => {
    const folded = around(graph.nodes[i].scope).find((path) => !open.has(path));
    return folded === undefined ? `node:${i}` : `scope:${folded}`;
  };

  // ---------------------------------------------------------------- what is known

  const told = { forward: new Map(), backward: new Map(), update: new Map() };
  graph.steps.forEach((s, i) => s.box !== null && told[s.phase].set(s.box, [i + 1, s.result]));

  /** Value and gradient of a node after the steps so far. */
  const known = (i) => {
    const node = graph.nodes[i];
    const after = (phase) => {
      const [at, result] = told[phase].get(node.id) ?? [0, null];
      return at <= step ? result : undefined;
    };
    if (step === 0) return { value: node.value, gradient: node.gradient };
    const found = after("forward") === undefined ? null : node.value;
    const updated = after("update");
    return {
      value: updated ? `${node.value} → ${updated}` : found,
      gradient: after("backward") ?? null,
    };
  };

  const healthOf = (i) => {
    const node = graph.nodes[i];
    return moment === last ? node.health : (graph.healths_then[node.id]?.[moment] ?? null);
  };

  const strengthOf = (i) => {
    const node = graph.nodes[i];
    if (moment < last) return graph.statistics[node.id]?.gradient_rms?.[moment] ?? null;
    const found = node.facts.gradient;
    return node.health === null ? null : (found?.rms ?? node.gradient);
  };

  /** The node whose gradient stands for what is seen: of a scope the worst one's. */
  const teller = (id) => {
    if (id.startsWith("node:")) return Number(id.slice(5));
    const able = graph.scopes[id.slice(6)].colour.filter((i) => healthOf(i) !== null);
    const worth = (i) => [healthOf(i), Number(strengthOf(i))];
    return able.reduce((worst, i) => {
      if (worst === null) return i;
      const [a, b] = [worth(i), worth(worst)];
      return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? i : worst;
    }, null);
  };

  const strength = (id) => {
    const by = teller(id);
    const found = by === null ? null : strengthOf(by);
    return found === null ? "" : typeof found === "number" ? number(found) : found;
  };

  const words = ["vanished", "weak", "fading", "good", "healthy"];
  const health = (id) => {
    const by = graph.by_health ? teller(id) : null;
    return by === null ? null : healthOf(by);
  };

  // ---------------------------------------------------------------- labels and colours

  const lines = (id) => {
    if (id.startsWith("scope:")) {
      const path = id.slice(6);
      const name = path.slice(parent(path).length).replace("/", "");
      if (open.has(path)) return [name];
      return [`▸ ${name}`, `${graph.scopes[path].count} nodes`, ...gradientLine(id)];
    }
    const i = Number(id.slice(5));
    const node = graph.nodes[i];
    if (graph.by_health) return [node.label, ...gradientLine(id)];
    const { value, gradient } = known(i);
    const same = value === node.label;
    return [
      node.label,
      ...(value && !same ? [`value ${value}`] : []),
      ...(gradient ? [`gradient ${gradient}`] : []),
    ];
  };
  const gradientLine = (id) => {
    const found = strength(id);
    return found === "" ? [] : [`∇ ${found.replace("rms ", "")}`];
  };

  const paint = (id) => {
    const node = id.startsWith("node:") ? graph.nodes[id.slice(5)] : null;
    const level = health(id);
    if (level !== null) {
      const [fill, stroke] = graph.healths[level];
      return { fill: colour(fill), stroke: colour(stroke) };
    }
    if (!node || graph.by_health) return { fill: colour("panel"), stroke: colour("muted") };
    return { fill: colour(node.fill), stroke: colour(node.stroke) };
  };

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  /** Room for what a node may say at any moment. */
  const size = (id) => {
    const most = [...lines(id)];
    if (graph.by_health && most.length > 1) most.push("∇ 8.88e-88");
    if (!graph.by_health && id.startsWith("node:")) {
      const node = graph.nodes[id.slice(5)];
      const [updated, back] = ["update", "backward"].map((p) => told[p].get(node.id)?.[1]);
      most.length = 1;
      if (node.value) most.push(`value ${node.value}${updated ? ` → ${updated}` : ""}`);
      if (node.gradient) most.push(`gradient ${back ?? node.gradient}`);
    }
    const rows = graph.by_health ? lines(id).length : most.length;
    const width = Math.max(...most.map((text) => pen.measureText(text).width));
    const slant = id.startsWith("node:") && graph.nodes[id.slice(5)].shape !== "round" ? 26 : 0;
    return { width: Math.max(width + 22 + slant, 48), height: 17 * rows + 14 };
  };

  // ---------------------------------------------------------------- places

  /** The things directly in each open scope, and the arrows between these. */
  const contents = () => {
    const inside = new Map([["", { items: new Set(), joins: new Map() }]]);
    const within = (path) => {
      if (!inside.has(path)) inside.set(path, { items: new Set(), joins: new Map() });
      return inside.get(path);
    };
    const chains = graph.nodes.map((node, i) => {
      const end = seen(i);
      const chain = [...around(scopeOf(end)).map((path) => `scope:${path}`), end];
      chain.forEach((id) => within(scopeOf(id)).items.add(id));
      return chain;
    });
    for (const [a, b, label] of graph.arrows) {
      const [from, to] = [chains[a], chains[b]];
      let at = 0;
      while (at < from.length && at < to.length && from[at] === to[at]) at += 1;
      if (at === from.length || at === to.length) continue; // inside one folded scope
      within(scopeOf(from[at])).joins.set(`${from[at]}\n${to[at]}`, [from[at], to[at], label]);
    }
    return inside;
  };

  /** Middle of everything seen, from the top left; scopes inside out. */
  const places = () => {
    const inside = contents();
    const sizes = new Map();
    const within = new Map();
    const paths = [...inside.keys()].sort((a, b) => depth(b) - depth(a));
    for (const path of paths) {
      const { items, joins } = inside.get(path);
      const plan = new dagre.graphlib.Graph();
      const labels = [...joins.values()].map((join) => pen.measureText(join[2]).width);
      const room = 36 + Math.max(0, ...labels) * (11 / 13);
      plan.setGraph({ rankdir: "LR", nodesep: 16, ranksep: room, marginx: 16, marginy: 16 });
      plan.setDefaultEdgeLabel(() => ({}));
      items.forEach((id) => plan.setNode(id, sizes.get(id) ?? size(id)));
      // Backwards, so that dagre puts the first input of a node on top.
      [...joins.values()].reverse().forEach(([from, to]) => plan.setEdge(from, to));
      dagre.layout(plan);
      const { width, height } = plan.graph();
      sizes.set(`scope:${path}`, { width, height: height + 18 });
      within.set(path, new Map([...items].map((id) => [id, plan.node(id)])));
    }
    const found = new Map();
    const put = (path, left, top) => {
      for (const [id, box] of within.get(path)) {
        const at = { x: left + box.x, y: top + box.y };
        found.set(id, { ...at, width: box.width, height: box.height });
        if (isFrame(id)) {
          put(id.slice(6), at.x - box.width / 2, at.y - box.height / 2 + 18);
        }
      }
    };
    put("", 0, 0);
    return found;
  };

  // ---------------------------------------------------------------- the drawing

  const cy = cytoscape({
    container: canvas,
    autoungrabify: true,
    boxSelectionEnabled: false,
    userZoomingEnabled: false, // the wheel scrolls the page until the graph is entered
    minZoom: 0.03,
    maxZoom: 3,
    layout: { name: "preset" },
  });

  const style = () => [
    {
      selector: "node",
      style: {
        shape: "data(shape)",
        width: "data(width)",
        height: "data(height)",
        label: "data(label)",
        "background-color": "data(fill)",
        "border-color": "data(stroke)",
        "border-width": 1.5,
        "border-style": "data(border)",
        "corner-radius": "data(corner)",
        "shape-polygon-points": [-1, 0, -0.82, -1, 0.82, -1, 1, 0, 0.82, 1, -0.82, 1],
        color: colour("ink"),
        "font-size": 13,
        "font-family": "system-ui, sans-serif",
        "text-wrap": "wrap",
        "text-valign": "center",
        "text-halign": "center",
        "line-height": 1.25,
        "min-zoomed-font-size": 5,
      },
    },
    {
      selector: "node.open",
      style: {
        // A frame below all that stands in it, with room for its title.
        "z-compound-depth": "bottom",
        "background-opacity": 0.35,
        "background-color": colour("panel"),
        "border-color": colour("pale"),
        "text-valign": "top",
        "text-margin-y": 19,
        "font-weight": "bold",
        color: colour("muted"),
        padding: 0,
      },
    },
    { selector: "node.folded", style: { "border-width": 3 } },
    {
      selector: "edge",
      style: {
        width: 1.3,
        "curve-style": "unbundled-bezier",
        "control-point-distances": "data(aside)",
        "control-point-weights": 0.5,
        "edge-distances": "endpoints",
        "source-endpoint": "90deg",
        "target-endpoint": "270deg",
        "line-color": colour("muted"),
        "target-arrow-color": colour("muted"),
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.8,
        label: "data(label)",
        "font-size": 11,
        "font-family": "system-ui, sans-serif",
        color: colour("ink"),
        "text-background-color": colour("paper"),
        "text-background-opacity": 0.9,
        "text-background-padding": 2,
        "min-zoomed-font-size": 5,
      },
    },
    {
      selector: "edge.near",
      style: { width: 2.6, "line-color": colour("ink"), "target-arrow-color": colour("ink") },
    },
    {
      selector: "node.chosen",
      style: { "border-width": 4, "border-color": colour("ink"), "border-style": "solid" },
    },
  ];

  const looks = (id) => {
    const node = id.startsWith("node:") ? graph.nodes[id.slice(5)] : null;
    return {
      shape: node?.shape === "hexagon" ? "polygon" : "round-rectangle",
      corner: node?.shape === "pill" ? 18 : 6,
      border: node?.dashed ? "dashed" : "solid",
    };
  };

  /** How far an arrow must swing aside so as not to run through a box; see `BENDS`. */
  const bend = (from, to, boxes) => {
    const [x1, y1] = [from.x + from.width / 2, from.y];
    const [x2, y2] = [to.x - to.width / 2, to.y];
    const length = Math.hypot(x2 - x1, y2 - y1);
    const near = boxes.filter(
      (b) => b !== from && b !== to && b.x + b.width / 2 > x1 && b.x - b.width / 2 < x2,
    );
    const hits = (aside) => {
      for (let t = 0.04; t < 1; t += 0.04) {
        // A quadratic curve comes half as far as its control point lies aside.
        const lift = 2 * t * (1 - t) * aside;
        const x = x1 + t * (x2 - x1) - (lift * (y2 - y1)) / length;
        const y = y1 + t * (y2 - y1) + (lift * (x2 - x1)) / length;
        const inside = (b) =>
          Math.abs(x - b.x) < b.width / 2 + 2 && Math.abs(y - b.y) < b.height / 2 + 2;
        if (near.some(inside)) return true;
      }
      return false;
    };
    return BENDS.find((aside) => !hits(aside)) ?? 0;
  };

  const arrowLabel = (a, b, label) => {
    if (!label || graph.by_health || step === 0) return label;
    return known(a).gradient ? label : "";
  };

  /** Draw anew what is seen after folding. */
  const rebuild = () => {
    const at = places();
    const ids = [...at.keys()];
    const elements = ids.map((id) => {
      const { x, y, width, height } = at.get(id);
      return {
        group: "nodes",
        data: { id, width, height, ...looks(id), ...paint(id), label: lines(id).join("\n") },
        position: { x, y },
        classes: isFrame(id) ? "open" : id.startsWith("scope:") ? "folded" : "",
        selectable: false,
      };
    });
    const joins = new Map();
    const boxes = [...at].filter(([id]) => !isFrame(id)).map(([, box]) => box);
    for (const [a, b, label] of graph.arrows) {
      const [from, to] = [seen(a), seen(b)];
      if (from === to || joins.has(`${from}\n${to}`)) continue;
      const both = from.startsWith("node:") && to.startsWith("node:");
      const told = both ? [a, b, label] : null;
      const aside = bend(at.get(from), at.get(to), boxes);
      joins.set(`${from}\n${to}`, {
        group: "edges",
        data: { source: from, target: to, label: told ? arrowLabel(...told) : "", told, aside },
      });
    }
    cy.batch(() => {
      cy.elements().remove();
      cy.add([...elements, ...joins.values()]);
    });
    canvas.dataset.seen = String(cy.nodes().length);
    mark();
    fit();
  };

  /** Labels and colours of what is drawn. */
  const refresh = () => {
    cy.batch(() => {
      cy.nodes().forEach((node) => {
        const id = node.id();
        node.data({ label: lines(id).join("\n"), ...paint(id) });
        node.dirtyBoundingBoxCache(); // else a longer label is drawn cut off
      });
      cy.edges().forEach((edge) => {
        const told = edge.data("told");
        edge.data("label", told ? arrowLabel(...told) : "");
      });
    });
    mark();
  };

  const mark = () => {
    cy.batch(() => {
      cy.elements(".chosen, .near").removeClass("chosen near");
      const node = cy.getElementById(chosen ?? "");
      node.addClass("chosen");
      node.connectedEdges().addClass("near");
    });
  };

  const fit = () => {
    cy.resize();
    cy.fit(undefined, 16);
    if (cy.zoom() > 1.15) {
      cy.zoom(1.15);
      cy.center();
    }
    // A long chain that would be too small to read begins at its left. Colours tell
    // something even where words cannot be read.
    const least = graph.by_health ? 0.35 : 0.85;
    if (cy.zoom() < least) {
      const box = cy.elements().boundingBox();
      cy.zoom(Math.max(cy.zoom(), Math.min(least * 1.2, (cy.height() - 32) / box.h)));
      cy.pan({ x: 16 - box.x1 * cy.zoom(), y: cy.height() / 2 - ((box.y1 + box.y2) / 2) * cy.zoom() });
    }
  };

  // ---------------------------------------------------------------- choosing

  const say = (text) => ($("told").textContent = text);

  const described = (id) => {
    const level = health(id);
    const state = level === null ? "" : `, gradient ${words[level]}`;
    if (id.startsWith("scope:")) {
      const path = id.slice(6);
      const fold = open.has(path) ? "unfolded" : "folded";
      return `${path}, ${fold} group of ${graph.scopes[path].count} nodes${state}`;
    }
    const node = graph.nodes[id.slice(5)];
    return [node.id, ...node.details, ...lines(id).slice(1)].join(", ") + state;
  };

  /** Unfold what hides a node, and choose it. */
  const choose = (id) => {
    if (id !== null) {
      const hiding = around(scopeOf(id)).filter((path) => !open.has(path));
      if (hiding.length) {
        hiding.forEach((path) => open.add(path));
        rebuild();
      }
    }
    chosen = id;
    mark();
    panel.show(id);
    canvas.dataset.chosen = id ?? "";
    if (id === null) return;
    say(described(id));
    const box = cy.getElementById(id).renderedBoundingBox();
    const isIn = box.x1 >= 0 && box.y1 >= 0 && box.x2 <= cy.width() && box.y2 <= cy.height();
    if (!isIn) cy.center(cy.getElementById(id));
  };

  const toggle = (path) => {
    if (!open.delete(path)) open.add(path);
    chosen = `scope:${path}`;
    rebuild();
    choose(chosen);
  };

  const setFolds = (paths) => {
    open.clear();
    paths.forEach((path) => open.add(path));
    if (chosen !== null && around(scopeOf(chosen)).some((path) => !open.has(path))) chosen = null;
    rebuild();
    choose(chosen);
    say(`${cy.nodes().length} boxes are shown`);
  };

  const view = {
    moment: () => moment,
    known,
    isOpen: (path) => open.has(path),
    choose,
    toggle,
    strength,
  };
  const panel = nettrain.panel(graph, view);

  // ---------------------------------------------------------------- mouse and keys

  cy.on("tap", "node", (event) => choose(event.target.id()));
  cy.on("dbltap", "node", (event) => {
    if (event.target.id().startsWith("scope:")) toggle(event.target.id().slice(6));
  });
  // Cytoscape takes the focus away when the button goes down.
  cy.on("tap", () => canvas.focus({ preventScroll: true }));
  canvas.addEventListener("focus", () => cy.userZoomingEnabled(true));
  canvas.addEventListener("blur", () => cy.userZoomingEnabled(false));

  /** The nearest node in a direction, along an arrow if there is one. */
  const next = (id, key) => {
    const node = cy.getElementById(id);
    const from = node.position();
    const along = { ArrowRight: "outgoers", ArrowLeft: "incomers" }[key];
    const sign = ["ArrowRight", "ArrowDown"].includes(key) ? 1 : -1;
    const [main, side] = along ? ["x", "y"] : ["y", "x"];
    const joined = along ? node[along]("node") : cy.collection();
    const able = joined.length ? joined : cy.nodes().filter((n) => !n.same(node) && !n.hasClass("open"));
    const cost = (other) => {
      const to = other.position();
      const ahead = sign * (to[main] - from[main]);
      const aside = Math.abs(to[side] - from[side]);
      return joined.length ? aside : ahead > 1 ? ahead + 2 * aside : Infinity;
    };
    return able.reduce((best, n) => (cost(n) < (best ? cost(best) : Infinity) ? n : best), null);
  };

  const keys = {
    "+": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: fit,
    Escape: () => {
      const out = chosen === null ? "" : scopeOf(chosen);
      choose(out ? `scope:${out}` : null);
    },
    Enter: () => chosen?.startsWith("scope:") && toggle(chosen.slice(6)),
  };
  keys[" "] = keys.Enter;
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) {
      const first = cy.nodes().filter((n) => !n.hasClass("open"))[0];
      const to = chosen === null ? first : next(chosen, event.key);
      if (to) choose(to.id());
    } else if (event.key in keys) {
      keys[event.key]();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  const zoom = (factor) =>
    cy.zoom({
      level: cy.zoom() * factor,
      renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 },
    });

  $("larger").addEventListener("click", () => zoom(1.25));
  $("smaller").addEventListener("click", () => zoom(0.8));
  $("whole").addEventListener("click", () => {
    cy.fit(undefined, 16);
    say("the whole graph is shown");
  });
  $("unfold")?.addEventListener("click", () => setFolds(Object.keys(graph.scopes)));
  $("fold")?.addEventListener("click", () => setFolds(graph.open));
  const ids = new Map(graph.nodes.map((node, i) => [node.id, i]));
  $("find").addEventListener("change", (event) => {
    const found = ids.get(event.target.value);
    if (found !== undefined) choose(`node:${found}`);
  });
  for (const item of document.querySelectorAll("[data-node]")) {
    item.addEventListener("click", () => choose(`node:${item.dataset.node}`));
  }

  // ---------------------------------------------------------------- moments and steps

  const slider = $("moment");
  const tellMoment = () => {
    const [at, epoch] = graph.moments[moment] ?? [];
    const text = moment === last ? "at the end, first batch" : `epoch ${epoch}, step ${at}`;
    $("moment-told").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  if (last) {
    slider.max = String(last);
    slider.value = String(last);
    $("moments").hidden = false;
    tellMoment();
    slider.addEventListener("input", () => {
      moment = Number(slider.value);
      tellMoment();
      refresh();
      panel.show(chosen);
    });
  }

  const go = (to) => {
    step = Math.min(Math.max(to, 0), graph.steps.length);
    const now = graph.steps[step - 1];
    $("step").value = String(step);
    $("step-told").textContent = step ? `${step} of ${graph.steps.length}, ${now.phase}` : "all";
    $("step").setAttribute("aria-valuetext", $("step-told").textContent);
    $("sentence").textContent = now ? now.text : "All numbers are shown. Next walks through the calculation.";
    for (const item of document.querySelectorAll("[data-step]")) {
      if (Number(item.dataset.step) === step) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    $("previous").disabled = step === 0;
    $("next").disabled = step === graph.steps.length;
    const at = now ? ids.get(now.box) : undefined;
    refresh();
    choose(at === undefined ? null : `node:${at}`);
  };
  const walk = () => {
    $("previous").addEventListener("click", () => go(step - 1));
    $("next").addEventListener("click", () => go(step + 1));
    $("step").addEventListener("input", () => go(Number($("step").value)));
    for (const item of document.querySelectorAll("[data-step]")) {
      item.addEventListener("click", () => go(Number(item.dataset.step)));
    }
    // Everywhere but in the graph and in what has arrows of its own.
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "ArrowRight") go(step + 1);
      else if (event.key === "ArrowLeft") go(step - 1);
    });
  };

  cy.style(style());
  rebuild();
  // No more room than the graph takes at first.
  const needed = cy.elements().boundingBox().h * cy.zoom() + 64;
  canvas.style.height = `${Math.min(Math.max(needed, 320), 540)}px`;
  fit();
  if (graph.steps.length) {
    walk();
    go(0);
  }
  nettrain.themed(() => {
    cy.style(style());
    refresh();
    panel.show(chosen);
  });
  new ResizeObserver(() => {
    if (cy.width() !== canvas.clientWidth) fit();
  }).observe(canvas);
  nettrain.cy = cy;
};
