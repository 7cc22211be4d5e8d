"use strict";

/* A page that follows a run. Each message is {parts, charts, run, state, over}: the parts of
   the page as HTML by id, its charts, which run it is, how far that is, and whether this is
   the last word. */

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

/** Follow a run {run, report}: which one, and the command that tells it when it is over;
    `draw` draws its charts. Each answer is {number, told: a message}. */
nettrain.live = async ({ run, report }, draw) => {
  const place = document.getElementById("live");
  const shown = new Map();
  const page = Math.random().toString(36).slice(2, 14);
  const second = () => new Promise((resolve) => setTimeout(resolve, 1000));
  const end = (text) => {
    place.setAttribute("role", "status"); // only the last word is read aloud
    place.textContent = text;
  };
  /** The page is old, and must not look as if it still followed the run. */
  const lose = (text) => {
    place.className = "verdict warning";
    end(`${text} This is what it told last; ${report} tells the rest.`);
  };
  const take = ({ parts, charts, run: told, state, over }) => {
    if (told !== run) {
      lose("The run is over, and another one is followed here: reload the page.");
      return true;
    }
    for (const [id, html] of Object.entries(parts)) {
      if (shown.get(id) !== html) nettrain.renew(id, html);
      shown.set(id, html);
    }
    draw(charts);
    if (over) end(state);
    else place.textContent = state;
    return over;
  };
  for (let [seen, failed] = [0, 0]; failed < 3; ) {
    try {
      const answer = await fetch(`message?page=${page}&seen=${seen}`);
      if (!answer.ok) throw new Error(answer.statusText);
      failed = 0;
      if (answer.status === 204) {
        await second(); // too many pages wait for news: this one asks now and then
        continue;
      }
      const { number, told } = await answer.json();
      seen = number;
      if (take(told)) return;
    } catch {
      failed += 1;
      await second();
    }
  }
  lose("The run does not answer any more: it has ended, or was stopped.");
};
