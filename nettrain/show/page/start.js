"use strict";

nettrain.copying();
nettrain.printing();
{
  const { charts, graph, live } = nettrain.data;
  if (live) nettrain.live(live, nettrain.charts(charts));
  else if (charts?.length) nettrain.charts(charts);
  else document.getElementById("scale")?.remove();
  if (graph) nettrain.graph(graph);
}
document.documentElement.dataset.ready = "yes";
