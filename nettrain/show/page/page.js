"use strict";

/* What every part of the page uses: the data, colours, numbers, making elements. */

const nettrain = {
  data: JSON.parse(document.getElementById("data").textContent),

  /** A colour of the palette, as light or dark as the page is. */
  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  },

  /** Call a function now, and again whenever the page turns dark or light. */
  themed(draw) {
    draw();
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", draw);
    }
  },

  /** A number in few digits: 0.0125, 3.1e-6. */
  number(value) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    const size = Math.abs(value);
    if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(4)));
    return value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  },

  /** An element with attributes and children; texts are texts, never HTML. */
  make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "click") made.addEventListener("click", value);
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  },

  /** Let the buttons beside patches and commands copy them. */
  copying(within = document) {
    for (const button of within.querySelectorAll("button.copy")) {
      button.addEventListener("click", async () => {
        const text = button.previousElementSibling;
        try {
          await navigator.clipboard.writeText(text.textContent);
        } catch {
          // No clipboard for pages from a file: the selected text can be copied.
          getSelection().selectAllChildren(text);
          document.execCommand("copy");
        }
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
    }
  },

  /** Findings are printed opened. */
  printing() {
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details.finding:not([open])")];
      closed.forEach((details) => (details.open = true));
    });
    addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));
  },
};
