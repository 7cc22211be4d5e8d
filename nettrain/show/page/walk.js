"use strict";

/* Time in the graph: the slider over recorded moments, the steps of a calculation. */

/** The slider over the moments of training; `changed` is called after it moved. */
nettrain.moments = (graph, state, changed) => {
  const slider = document.getElementById("moment");
  const last = graph.moments.length;
  if (!last) return;
  const tell = () => {
    const [step, epoch] = graph.moments[state.moment] ?? [];
    const isLast = state.moment === last;
    const text = isLast ? `at ${graph.at}, first batch` : `epoch ${epoch}, step ${step}`;
    document.getElementById("moment-told").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  slider.max = String(last); // first: a value beyond it would be cut
  slider.value = slider.max;
  slider.addEventListener("input", () => {
    state.moment = Number(slider.value);
    tell();
    changed();
  });
  document.getElementById("moments").hidden = false;
  tell();
};

/** The steps of a calculation; `changed` is called with the box of each, or null. */
nettrain.walk = (graph, state, changed) => {
  const $ = (id) => document.getElementById(id);
  const { steps } = graph;
  if (!steps.length) return;
  const items = [...document.querySelectorAll("[data-step]")];
  const go = (to) => {
    state.step = Math.min(Math.max(to, 0), steps.length);
    const now = steps[state.step - 1];
    $("step").value = String(state.step);
    $("step-told").textContent = now ? `${state.step} of ${steps.length}, ${now.phase}` : "all";
    $("step").setAttribute("aria-valuetext", $("step-told").textContent);
    $("sentence").textContent =
      now?.text ?? "All numbers are shown. Next walks through the calculation.";
    for (const item of items) {
      if (Number(item.dataset.step) === state.step) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    $("previous").disabled = !now;
    $("next").disabled = state.step === steps.length;
    changed(now?.box ?? null);
  };
  $("previous").addEventListener("click", () => go(state.step - 1));
  $("next").addEventListener("click", () => go(state.step + 1));
  $("step").addEventListener("input", () => go(Number($("step").value)));
  for (const item of items) {
    item.addEventListener("click", () => go(Number(item.dataset.step)));
  }
  // Everywhere but in the graph, and in what has arrows of its own.
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowRight") go(state.step + 1);
    else if (event.key === "ArrowLeft") go(state.step - 1);
  });
  go(0);
};
