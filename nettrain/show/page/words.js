"use strict";

/* What boxes say, and in which colours, at the moment and step that is shown. */

nettrain.words = (graph, state, scopes) => {
  const { colour, number } = nettrain;
  const isLast = () => state.moment === graph.moments.length;

  const results = { forward: new Map(), backward: new Map(), update: new Map() };
  graph.steps.forEach((s, i) => s.box !== null && results[s.phase].set(s.box, [i + 1, s.result]));

  /** Value and gradient of a node after the steps so far. */
  const known = (i) => {
    const node = graph.nodes[i];
    const after = (phase) => {
      const [at, result] = results[phase].get(node.id) ?? [0, null];
      return at <= state.step ? result : undefined;
    };
    if (state.step === 0) return { value: node.value, gradient: node.gradient };
    const found = after("forward") === undefined ? null : node.value;
    const updated = after("update");
    return {
      value: updated ? `${node.value} → ${updated}` : found,
      gradient: after("backward") ?? null,
    };
  };

  /** The same in words, or what was recorded at the moment shown. */
  const told = (i) => {
    const then = isLast() ? known(i) : {};
    for (const of of isLast() ? [] : ["value", "gradient"]) {
      const rms = graph.statistics[graph.nodes[i].id]?.[`${of}_rms`]?.[state.moment] ?? null;
      if (rms !== null) then[of] = `rms ${number(rms)}`;
    }
    const parts = ["value", "gradient"].filter((of) => then[of]);
    return parts.map((of) => `, ${of} ${then[of]}`).join("");
  };

  /** Class of health, from 0 (vanished), of a node. */
  const healthOf = (i) => {
    const node = graph.nodes[i];
    return isLast() ? node.health : (graph.healths_then[node.id]?.[state.moment] ?? null);
  };

  const strengthOf = (i) => {
    const node = graph.nodes[i];
    if (!isLast()) return graph.statistics[node.id]?.gradient_rms?.[state.moment] ?? null;
    return node.health === null ? null : (node.facts.gradient?.rms ?? node.gradient);
  };

  /** The node whose gradient stands for what is seen: of a scope the worst one's. */
  const teller = (id) => {
    if (!scopes.isScope(id)) return scopes.numberOf(id);
    const able = graph.scopes[scopes.pathOf(id)].colour.filter((i) => healthOf(i) !== null);
    const isWorse = (i, j) =>
      healthOf(i) < healthOf(j) ||
      (healthOf(i) === healthOf(j) && Number(strengthOf(i)) < Number(strengthOf(j)));
    return able.reduce((worst, i) => (worst === null || isWorse(i, worst) ? i : worst), null);
  };

  /** Size of the gradient of what is seen, as a text; "" where nothing is known. */
  const strength = (id) => {
    const by = teller(id);
    const found = (by === null ? null : strengthOf(by)) ?? "";
    return typeof found === "number" ? number(found) : found;
  };

  const health = (id) => {
    const by = graph.by_health ? teller(id) : null;
    return by === null ? null : healthOf(by);
  };

  const gradientLine = (id) => {
    const found = strength(id);
    return found === "" ? [] : [`∇ ${found.replace("rms ", "")}`];
  };

  /** The lines of a box. */
  const lines = (id) => {
    if (scopes.isFrame(id)) return [`▾ ${scopes.name(scopes.pathOf(id))}`];
    if (scopes.isScope(id)) {
      const path = scopes.pathOf(id);
      return [`▸ ${scopes.name(path)}`, scopes.count(path), ...gradientLine(id)];
    }
    const node = scopes.nodeOf(id);
    if (graph.by_health) return [node.label, ...gradientLine(id)];
    const { value, gradient } = known(scopes.numberOf(id));
    return [
      node.label,
      ...(value && value !== node.label ? [`value ${value}`] : []),
      ...(gradient ? [`gradient ${gradient}`] : []),
    ];
  };

  const paint = (id) => {
    const node = scopes.nodeOf(id);
    const level = health(id);
    if (level !== null) {
      const [fill, stroke] = graph.healths[level];
      return { fill: colour(fill), stroke: colour(stroke) };
    }
    if (!node || graph.by_health) return { fill: colour("panel"), stroke: colour("muted") };
    return { fill: colour(node.fill), stroke: colour(node.stroke) };
  };

  /** An arrow tells its local derivative once a gradient has come back over it. */
  const arrowLabel = ([a, , label]) =>
    graph.by_health || state.step === 0 || known(a).gradient ? label : "";

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  const widthOf = (text) => pen.measureText(text).width;

  /** Room for what a box may say at any moment and step. */
  const size = (id) => {
    const node = scopes.nodeOf(id);
    let most = lines(id);
    const rows = most.length;
    if (graph.by_health && rows > 1) {
      most = [...most, "∇ 8.88e-88"];
    } else if (node) {
      const [updated, back] = ["update", "backward"].map((p) => results[p].get(node.id)?.[1]);
      most = [node.label];
      if (node.value) most.push(`value ${node.value}${updated ? ` → ${updated}` : ""}`);
      if (node.gradient) most.push(`gradient ${back ?? node.gradient}`);
    }
    const slant = node && node.shape !== "round" ? 26 : 0;
    const width = Math.max(...most.map(widthOf)) + 22 + slant;
    const height = 17 * (graph.by_health ? rows : most.length) + 14;
    return { width: Math.max(width, 48), height };
  };

  const levels = ["vanished", "weak", "fading", "good", "healthy"];
  /** A box in a sentence, for those who hear it. */
  const described = (id) => {
    const level = health(id);
    const feeling = level === null ? "" : `, gradient ${levels[level]}`;
    if (scopes.isScope(id)) {
      const path = scopes.pathOf(id);
      const fold = scopes.isFrame(id) ? "unfolded" : "folded";
      return `${path}, ${fold} group of ${scopes.count(path)}${feeling}`;
    }
    const node = scopes.nodeOf(id);
    return [node.id, ...node.details, ...lines(id).slice(1)].join(", ") + feeling;
  };

  return { known, told, strength, lines, paint, arrowLabel, widthOf, size, described };
};
