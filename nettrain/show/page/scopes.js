"use strict";

/* Paths of scopes, and what is seen of a graph while some of them are folded.
   Ids are `node:3` and `scope:model/dense1`. */

nettrain.scopes = (graph, state) => {
  const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf("/")));

  /** `model`, `model/dense1` of `model/dense1`. */
  const around = (path) => {
    const found = [];
    for (let p = path; p; p = parent(p)) found.unshift(p);
    return found;
  };

  const isScope = (id) => id.startsWith("scope:");
  const pathOf = (id) => (isScope(id) ? id.slice("scope:".length) : "");
  const numberOf = (id) => Number(id.slice("node:".length));
  const nodeOf = (id) => (isScope(id) ? null : graph.nodes[numberOf(id)]);
  const scopeOf = (id) => (isScope(id) ? parent(pathOf(id)) : nodeOf(id).scope);

  /** The arrows and titles of now: all, or those of repeated blocks once. */
  const shown = () => (state.once ? graph.once : graph);
  const gone = new Set(graph.once?.hidden);

  /** Whether it stands in a repeated block of which another one is shown. */
  const isGone = (id) =>
    state.once && [...around(scopeOf(id)), pathOf(id)].some((path) => gone.has(path));

  /** The scopes around something that hide it. */
  const hiding = (id) => around(scopeOf(id)).filter((path) => !state.open.has(path));

  /** What is seen of a node: itself, or the outermost folded scope around it. */
  const seen = (i) => {
    const [folded] = hiding(`node:${i}`);
    return folded === undefined ? `node:${i}` : `scope:${folded}`;
  };

  /** Whether it is a scope that is shown open, as a frame. */
  const isFrame = (id) => isScope(id) && state.open.has(pathOf(id));

  /** By path the things directly in each open scope, and the arrows between these; of
      those that go back how many there are. */
  const contents = () => {
    const inside = new Map();
    const within = (path) => {
      if (!inside.has(path)) inside.set(path, { items: new Set(), joins: new Map(), backs: 0 });
      return inside.get(path);
    };
    within("");
    const chains = graph.nodes.map((node, i) => {
      if (isGone(`node:${i}`)) return null;
      const end = seen(i);
      const chain = [...around(scopeOf(end)).map((path) => `scope:${path}`), end];
      chain.forEach((id) => within(scopeOf(id)).items.add(id));
      return chain;
    });
    for (const [a, b, label, back] of shown().arrows) {
      const [from, to] = [chains[a], chains[b]];
      let at = 0;
      while (at < from.length && at < to.length && from[at] === to[at]) at += 1;
      if (at === from.length || at === to.length) continue; // inside one folded scope
      const join = [from[at], to[at], label];
      const place = within(scopeOf(from[at]));
      // What goes to the next round does not decide what stands left of what.
      if (back) place.backs += 1;
      else place.joins.set(`${from[at]}\n${to[at]}`, join);
    }
    return inside;
  };

  const name = (path) => {
    const last = path.slice(path.lastIndexOf("/") + 1);
    const [note] = (shown().notes[path] ?? "").split(",");
    return note ? `${/^\d+$/.test(last) ? "block " : ""}${last} ${note}` : last;
  };
  /** What its note says that its title has no room for. */
  const aside = (path) => (shown().notes[path] ?? "").split(", ").slice(1).join(", ");
  const count = (path) => {
    const nodes = graph.scopes[path].count;
    return nodes === 1 ? "1 node" : `${nodes} nodes`;
  };
  const ids = { isScope, pathOf, numberOf, nodeOf, scopeOf };
  return { ...ids, around, shown, isGone, hiding, seen, isFrame, contents, name, aside, count };
};
