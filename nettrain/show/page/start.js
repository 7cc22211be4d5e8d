"use strict";

nettrain.copying();
nettrain.printing();
if (nettrain.data.charts?.length) nettrain.charts(nettrain.data.charts);
else document.getElementById("scale")?.remove();
if (nettrain.data.graph) nettrain.graph(nettrain.data.graph);
document.documentElement.dataset.ready = "yes";
