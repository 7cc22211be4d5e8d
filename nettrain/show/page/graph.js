"use strict";

/* The graph, drawn by Cytoscape: what is chosen, folded and zoomed, by mouse and key. */

/** How nodes and arrows look, in the colours of now. */
nettrain.graphStyle = () => {
  const { colour } = nettrain;
  const text = { "font-family": "system-ui, sans-serif", "min-zoomed-font-size": 5 };
  const ink = { "line-color": colour("ink"), "target-arrow-color": colour("ink") };
  const node = {
    ...text,
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
    "text-wrap": "wrap",
    "text-valign": "center",
    "text-halign": "center",
    "line-height": 1.25,
  };
  const frame = {
    // Below all that stands in it, with room for its title.
    "z-compound-depth": "bottom",
    "background-opacity": 0.35,
    "background-color": colour("panel"),
    "border-color": colour("pale"),
    "text-valign": "top",
    "text-margin-y": nettrain.TITLE + 1,
    "font-weight": "bold",
    color: colour("muted"),
  };
  const edge = {
    ...text,
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
    color: colour("ink"),
    "text-background-color": colour("paper"),
    "text-background-opacity": 0.9,
    "text-background-padding": 2,
  };
  const around = {
    "curve-style": "round-segments",
    "segment-weights": "data(weights)",
    "segment-distances": "data(distances)",
    "segment-radii": 6,
  };
  const chosen = { "border-width": 4, "border-color": colour("ink"), "border-style": "solid" };
  return [
    { selector: "node", style: node },
    { selector: "node.frame", style: frame },
    { selector: "node.folded", style: { "border-width": 3 } },
    { selector: "edge", style: edge },
    { selector: "edge.around", style: around },
    { selector: "edge.back", style: { "line-style": "dashed" } },
    { selector: "edge.near", style: { width: 2.6, ...ink } },
    { selector: "node.chosen", style: chosen },
  ];
};

/** The boxes and arrows that are seen, as Cytoscape takes them. */
nettrain.elements = (graph, scopes, words) => {
  const at = nettrain.places(scopes, words.size, words.widthOf);
  const nodes = [...at].map(([id, { x, y, width, height }]) => {
    const node = scopes.nodeOf(id);
    const look = {
      shape: node?.shape === "hexagon" ? "polygon" : "round-rectangle",
      corner: node?.shape === "pill" ? 18 : 6,
      border: node?.dashed ? "dashed" : "solid",
    };
    const label = words.lines(id).join("\n");
    return {
      group: "nodes",
      data: { id, width, height, ...look, ...words.paint(id), label },
      position: { x, y },
      classes: scopes.isFrame(id) ? "frame" : scopes.isScope(id) ? "folded" : "",
      selectable: false,
    };
  });
  const boxes = [...at]
    .filter(([id]) => !scopes.isFrame(id))
    .map(([id, box]) => Object.assign(box, { id }));
  const joins = new Map();
  const lanes = new Map(); // by scope, how many arrows run below its boxes
  for (const arrow of scopes.shown().arrows) {
    const [source, target] = [scopes.seen(arrow[0]), scopes.seen(arrow[1])];
    if (source === target || joins.has(`${source}\n${target}`)) continue;
    const ends = [at.get(source), at.get(target)];
    const told = scopes.isScope(source) || scopes.isScope(target) ? null : arrow;
    const label = told ? words.arrowLabel(told) : "";
    const aside = arrow[3] ? null : nettrain.bend(...ends, boxes);
    const join = { group: "edges", data: { source, target, told, label, aside: aside ?? 0 } };
    if (aside === null) {
      const scope = arrow[3] ? scopes.scopeOf(source) : "";
      const among = boxes.filter(({ id }) => !arrow[3] || scopes.scopeOf(id) === scope);
      const lane = lanes.get(scope) ?? 0;
      lanes.set(scope, lane + 1);
      Object.assign(join.data, nettrain.detour(...ends, among, lane));
      join.classes = arrow[3] ? "around back" : "around";
    }
    joins.set(`${source}\n${target}`, join);
  }
  return [...nodes, ...joins.values()];
};

/** The nearest node in the direction of an arrow key, along an arrow if there is one. */
nettrain.next = (cy, id, key) => {
  const node = cy.getElementById(id);
  const from = node.position();
  const along = { ArrowRight: "outgoers", ArrowLeft: "incomers" }[key];
  const sign = ["ArrowRight", "ArrowDown"].includes(key) ? 1 : -1;
  const [main, side] = along ? ["x", "y"] : ["y", "x"];
  const forth = along ? node[along]("edge").not(".back") : cy.collection();
  const joined = key === "ArrowRight" ? forth.targets() : forth.sources();
  const others = () => cy.nodes().filter((n) => !n.same(node) && !n.hasClass("frame"));
  const cost = (other) => {
    const to = other.position();
    const ahead = sign * (to[main] - from[main]);
    const aside = Math.abs(to[side] - from[side]);
    return joined.length ? aside : ahead > 1 ? ahead + 2 * aside : Infinity;
  };
  let [best, least] = [null, Infinity];
  (joined.length ? joined : others()).forEach((n) => {
    if (cost(n) < least) [best, least] = [n, cost(n)];
  });
  return best?.id() ?? null;
};

nettrain.graph = (graph) => {
  const $ = (id) => document.getElementById(id);
  const canvas = $("canvas");
  // Behind the recorded moments stands the graph as it was evaluated at the end; step 0
  // is when everything is known.
  const state = {
    open: new Set((graph.once ?? graph).open),
    once: graph.once !== null,
    moment: graph.moments.length,
    step: 0,
    chosen: null,
  };
  const scopes = nettrain.scopes(graph, state);
  const words = nettrain.words(graph, state, scopes);
  const cy = cytoscape({
    container: canvas,
    autoungrabify: true,
    boxSelectionEnabled: false,
    userZoomingEnabled: false, // the wheel scrolls the page until the graph is entered
    minZoom: 0.03,
    maxZoom: 3,
    layout: { name: "preset" },
  });
  const say = (text) => ($("told").textContent = text);

  // ---------------------------------------------------------------- drawing

  /** Draw anew what is seen after folding. */
  const rebuild = () => {
    const elements = nettrain.elements(graph, scopes, words);
    cy.batch(() => {
      cy.elements().remove();
      cy.add(elements);
    });
    mark();
    fit();
  };

  /** New labels and colours of what is drawn. */
  const refresh = () => {
    cy.batch(() => {
      cy.nodes().forEach((node) => {
        const id = node.id();
        node.data({ label: words.lines(id).join("\n"), ...words.paint(id) });
        node.dirtyBoundingBoxCache(); // else a longer label is drawn cut off
      });
      cy.edges().forEach((edge) => {
        const told = edge.data("told");
        edge.data("label", told ? words.arrowLabel(told) : "");
      });
    });
    mark();
  };

  const mark = () => {
    cy.batch(() => {
      cy.elements(".chosen, .near").removeClass("chosen near");
      const node = cy.getElementById(state.chosen ?? "");
      node.addClass("chosen");
      node.connectedEdges().addClass("near");
    });
  };

  /** Let it fill the canvas; what would be too small to read begins at its left. */
  const frame = (what, least) => {
    cy.fit(what, 16);
    if (cy.zoom() > 1.15) {
      cy.zoom(1.15);
      cy.center(what);
    }
    if (cy.zoom() < least) {
      const { x1, y1, y2, h } = what.boundingBox();
      cy.zoom(Math.max(cy.zoom(), Math.min(least * 1.2, (cy.height() - 32) / h)));
      cy.pan({ x: 16 - x1 * cy.zoom(), y: (cy.height() - (y1 + y2) * cy.zoom()) / 2 });
    }
  };

  const fit = () => {
    cy.resize();
    // Colours tell something even where words are hard to read.
    frame(cy.elements(), graph.by_health ? 0.55 : 0.85);
  };

  const zoom = (factor) => {
    const renderedPosition = { x: cy.width() / 2, y: cy.height() / 2 };
    cy.zoom({ level: cy.zoom() * factor, renderedPosition });
  };

  // ---------------------------------------------------------------- choosing

  /** Choose a node or scope, or nothing; what hides it is unfolded. */
  const choose = (id) => {
    const isGone = id !== null && scopes.isGone(id);
    if (isGone) $("once").checked = state.once = false;
    const hiding = id === null ? [] : scopes.hiding(id);
    hiding.forEach((path) => state.open.add(path));
    if (hiding.length || isGone) rebuild();
    state.chosen = id;
    mark();
    panel.show(id);
    if (id === null) return;
    say(words.described(id));
    const box = cy.getElementById(id).renderedBoundingBox();
    const isIn = box.x1 >= 0 && box.y1 >= 0 && box.x2 <= cy.width() && box.y2 <= cy.height();
    const begins = scopes.isFrame(id) && box.x1 >= 0 && box.x1 < cy.width();
    if (!isIn && !begins) cy.center(cy.getElementById(id));
  };

  const toggle = (path) => {
    if (!state.open.delete(path)) state.open.add(path);
    state.chosen = `scope:${path}`;
    rebuild();
    if (scopes.isFrame(state.chosen) && cy.zoom() < 0.6) {
      frame(cy.getElementById(state.chosen), 0.6);
    }
    choose(state.chosen);
  };

  const setFolds = (paths) => {
    state.open = new Set(paths);
    const { chosen } = state;
    if (chosen !== null && (scopes.isGone(chosen) || scopes.hiding(chosen).length)) {
      state.chosen = null;
    }
    rebuild();
    choose(state.chosen);
    say(`${cy.nodes().length} boxes are shown`);
  };

  const panel = nettrain.panel(graph, state, { words, scopes, choose, toggle });

  // ---------------------------------------------------------------- mouse and keys

  // A click unfolds what is folded; one on its title folds a frame again. The second one
  // of a double click meets what the first has put there, and is not meant for that.
  cy.on("tap", "node", ({ target, position, originalEvent }) => {
    const id = target.id();
    if (originalEvent.detail > 1) return;
    const title = position.y < target.position("y") - target.height() / 2 + nettrain.TITLE;
    if (scopes.isScope(id) && (title || !scopes.isFrame(id))) {
      toggle(scopes.pathOf(id));
    } else {
      choose(id);
    }
  });
  // Cytoscape takes the focus away when the button goes down.
  cy.on("tap", () => canvas.focus({ preventScroll: true }));
  canvas.addEventListener("focus", () => cy.userZoomingEnabled(true));
  canvas.addEventListener("blur", () => cy.userZoomingEnabled(false));

  const go = (key) => {
    const first = cy.nodes().filter((n) => !n.hasClass("frame"))[0]?.id() ?? null;
    const to = state.chosen === null ? first : nettrain.next(cy, state.chosen, key);
    if (to !== null) choose(to);
  };
  const keys = {
    "+": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: fit,
    Escape: () => {
      const out = state.chosen === null ? "" : scopes.scopeOf(state.chosen);
      choose(out ? `scope:${out}` : null);
    },
    Enter: () => {
      const { chosen } = state;
      if (chosen !== null && scopes.isScope(chosen)) toggle(scopes.pathOf(chosen));
    },
  };
  keys[" "] = keys.Enter;
  canvas.addEventListener("keydown", (event) => {
    const { key } = event;
    const isArrow = key.startsWith("Arrow");
    if (event.ctrlKey || event.metaKey || event.altKey || !(isArrow || key in keys)) return;
    if (isArrow) go(key);
    else keys[key]();
    event.preventDefault();
    event.stopPropagation();
  });

  $("larger").addEventListener("click", () => zoom(1.25));
  $("smaller").addEventListener("click", () => zoom(0.8));
  $("whole").addEventListener("click", () => cy.fit(undefined, 16));
  $("unfold")?.addEventListener("click", () => setFolds(Object.keys(graph.scopes)));
  $("fold")?.addEventListener("click", () => setFolds(scopes.shown().open));
  $("once")?.addEventListener("change", ({ target }) => {
    state.once = target.checked;
    setFolds(scopes.shown().open);
  });
  const ids = new Map(graph.nodes.map((node, i) => [node.id, `node:${i}`]));
  $("find").addEventListener("change", ({ target }) => {
    if (ids.has(target.value)) choose(ids.get(target.value));
  });
  for (const item of document.querySelectorAll("[data-node]")) {
    item.addEventListener("click", () => choose(`node:${item.dataset.node}`));
  }

  // ---------------------------------------------------------------- at first

  cy.style(nettrain.graphStyle());
  rebuild();
  // No more room than the graph takes at first.
  const needed = cy.elements().boundingBox().h * cy.zoom() + 64;
  canvas.style.height = `${Math.min(Math.max(needed, 320), 540)}px`;
  fit();
  const list = [...document.querySelectorAll("[data-told]")];
  const tell = () => {
    for (const item of list) item.textContent = words.told(Number(item.dataset.told));
  };
  nettrain.moments(graph, state, () => {
    refresh();
    tell();
    panel.show(state.chosen);
  });
  nettrain.walk(graph, state, (box) => {
    refresh();
    tell();
    choose(ids.get(box) ?? null);
  });
  nettrain.themed(() => {
    cy.style(nettrain.graphStyle());
    refresh();
    panel.show(state.chosen);
  });
  new ResizeObserver(() => {
    if (cy.width() !== canvas.clientWidth) fit();
  }).observe(canvas);
  Object.assign(nettrain, { cy, state });
};
