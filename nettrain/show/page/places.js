"use strict";

/* Where everything stands: each open scope is laid out by dagre alone, from the inside
   out, and then stands in the one around it as one box. */

nettrain.TITLE = 18; // pixels above what stands in a frame, for its name
nettrain.BACK = 12; // and below it, for what a round of a loop hands to the next

/** Middle and size of everything seen, by id; frames before what stands in them. */
nettrain.places = (scopes, size, widthOf) => {
  const inside = scopes.contents();
  const sizes = new Map();
  const within = new Map();
  const depth = (path) => scopes.around(path).length;
  for (const path of [...inside.keys()].sort((a, b) => depth(b) - depth(a))) {
    const { items, joins, backs } = inside.get(path);
    const labels = [...joins.values()].map((join) => widthOf(join[2]));
    const ranksep = 36 + Math.max(0, ...labels) * (11 / 13);
    const plan = new dagre.graphlib.Graph();
    plan.setGraph({ rankdir: "LR", nodesep: 16, ranksep, marginx: 16, marginy: 16 });
    plan.setDefaultEdgeLabel(() => ({}));
    items.forEach((id) => plan.setNode(id, sizes.get(id) ?? size(id)));
    // Backwards, so that dagre puts the first input of a node on top.
    [...joins.values()].reverse().forEach(([from, to]) => plan.setEdge(from, to));
    dagre.layout(plan);
    const { width, height } = plan.graph();
    const room = backs && nettrain.BACK + 6 * backs;
    sizes.set(`scope:${path}`, { width, height: height + nettrain.TITLE + room });
    within.set(path, new Map([...items].map((id) => [id, plan.node(id)])));
  }
  const found = new Map();
  const put = (path, left, top) => {
    for (const [id, { x, y, width, height }] of within.get(path)) {
      found.set(id, { x: left + x, y: top + y, width, height });
      if (scopes.isFrame(id)) {
        const corner = [left + x - width / 2, top + y - height / 2];
        put(scopes.pathOf(id), corner[0], corner[1] + nettrain.TITLE);
      }
    }
  };
  put("", 0, 0);
  return found;
};

/** How far an arrow must swing aside so as not to run through one of the boxes; null
    where no swing is wide enough. */
nettrain.bend = (from, to, boxes) => {
  const tries = [0, 60, -60, 110, -110, 170, -170, 260, -260, 400, -400];
  const [x1, y1] = [from.x + from.width / 2, from.y];
  const [x2, y2] = [to.x - to.width / 2, to.y];
  const length = Math.hypot(x2 - x1, y2 - y1);
  const near = boxes.filter(
    (b) => b !== from && b !== to && b.x + b.width / 2 > x1 && b.x - b.width / 2 < x2,
  );
  const points = Math.max(25, Math.ceil(length / 24)); // no box lies between two of them
  const hits = (aside) => {
    for (let t = 1 / points; t < 1; t += 1 / points) {
      // A quadratic curve comes half as far as its control point lies aside.
      const lift = 2 * t * (1 - t) * aside;
      const x = x1 + t * (x2 - x1) - (lift * (y2 - y1)) / length;
      const y = y1 + t * (y2 - y1) + (lift * (x2 - x1)) / length;
      const meets = (b) =>
        Math.abs(x - b.x) < b.width / 2 + 2 && Math.abs(y - b.y) < b.height / 2 + 2;
      if (near.some(meets)) return true;
    }
    return false;
  };
  return tries.find((aside) => !hits(aside)) ?? null;
};

/** The corners of an arrow that goes around boxes: down behind its source's column, below
    all between, and up before its target's. As Cytoscape wants them: along the line
    from end to end, and aside from it. */
nettrain.detour = (from, to, boxes, number) => {
  const beside = (box) => boxes.filter((b) => Math.abs(b.x - box.x) < 1);
  const step = 6 * number + 9;
  const right = Math.max(...beside(from).map((b) => b.x + b.width / 2)) + step;
  const left = Math.min(...beside(to).map((b) => b.x - b.width / 2)) - step;
  const [least, most] = [Math.min(left, right), Math.max(left, right)];
  const between = boxes.filter((b) => b.x + b.width / 2 > least && b.x - b.width / 2 < most);
  const bottom = Math.max(...[from, to, ...between].map((b) => b.y + b.height / 2)) + step;
  const [x, y] = [from.x + from.width / 2, from.y];
  const [dx, dy] = [to.x - to.width / 2 - x, to.y - y];
  const length = Math.hypot(dx, dy);
  const corners = [[right, y], [right, bottom], [left, bottom], [left, to.y]];
  return {
    weights: corners.map((c) => ((c[0] - x) * dx + (c[1] - y) * dy) / length ** 2).join(" "),
    distances: corners.map((c) => ((c[1] - y) * dx - (c[0] - x) * dy) / length).join(" "),
  };
};
