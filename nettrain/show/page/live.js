"use strict";

/* A page that follows a run. Each message is {parts, charts, state, over}: the parts of the
   page as HTML by id, its charts, how far the run is, and whether this is the last word. */

/** Put a part of the page in the place of what it was; what was opened stays open. */
nettrain.renew = (id, html) => {
  const old = document.getElementById(id);
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  const title = (details) => details.querySelector("summary").textContent;
  const details = (part) => [...part.querySelectorAll("details")];
  const opened = new Map(details(old).map((one) => [title(one), one.open]));
  details(fresh).forEach((one) => (one.open = opened.get(title(one)) ?? one.open));
  const keys = (part) => [...part.querySelectorAll("summary, button")];
  const at = keys(old).indexOf(document.activeElement);
  old.replaceWith(fresh);
  nettrain.copying(fresh);
  if (at >= 0) keys(fresh)[at]?.focus({ preventScroll: true });
};

/** Follow the run; `draw` draws its charts. */
nettrain.live = (draw) => {
  const place = document.getElementById("live");
  const shown = new Map();
  const stream = new EventSource("events");
  const end = (text) => {
    stream.close();
    place.setAttribute("role", "status"); // only the last word is read aloud
    place.textContent = text;
  };
  stream.addEventListener("message", ({ data }) => {
    const { parts, charts, state, over } = JSON.parse(data);
    for (const [id, html] of Object.entries(parts)) {
      if (shown.get(id) !== html) nettrain.renew(id, html);
      shown.set(id, html);
    }
    draw(charts);
    if (over) end(state);
    else place.textContent = state;
  });
  stream.addEventListener("error", () => {
    end("The run does not answer any more. This is what it told last.");
  });
};
