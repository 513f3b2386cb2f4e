/* Formulas, predictions, tables that sort, folds that open for a link. Without it, pages show everything. */
"use strict";

function typeset() {
  for (const place of document.querySelectorAll(".formula")) {
    katex.render(place.textContent, place, { displayMode: place.tagName === "DIV", throwOnError: false });
  }
}

/* What an experiment shows is hidden until the reader has committed to every prediction that it would give away. */
function predictions() {
  const said = new Set();
  const unpredicted = (output) =>
    [...output.classList].filter((name) => name.startsWith("await-")).some((name) => !said.has(name.slice(6)));
  const outputs = [...document.querySelectorAll('[class*="await-"]')];
  const refresh = () => outputs.forEach((output) => output.classList.toggle("waiting", unpredicted(output)));

  for (const field of document.querySelectorAll("fieldset.predict")) {
    const { name, choices } = field.dataset;
    const answer = Object.assign(document.createElement("p"), { role: "status" });
    const commit = (words, pressed) => {
      if (!words) return void (answer.textContent = "Write a number first.");
      said.add(name);
      field.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", button === pressed));
      answer.textContent = words;
      refresh();
    };
    const button = (text, words) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      made.setAttribute("aria-pressed", "false");
      made.addEventListener("click", () => commit(words(), made));
      return made;
    };
    field.append(Object.assign(document.createElement("legend"), { textContent: "Your prediction" }));
    if (choices) {
      field.append(...[...choices].map((letter) => button(letter, () => `You say ${letter}. Read on and see.`)));
    } else {
      const number = Object.assign(document.createElement("input"), { type: "number", step: "any" });
      number.setAttribute("aria-label", "your prediction, a number");
      field.append(number, button("Predict", () => number.value && `You say ${number.value}. Read on and see.`));
    }
    field.append(button("Show without predicting", () => "Shown below."), answer);
  }
  refresh();
}

function value(cell) {
  const text = cell.textContent.trim().replace("−", "-");
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/* Numbers by size, before words. */
function compare(a, b) {
  const words = [a, b].map((each) => typeof each === "string");
  return words[0] && words[1] ? a.localeCompare(b) : words[0] - words[1] || a - b;
}

function sortable() {
  for (const table of document.querySelectorAll(".sortable table, table.sortable")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => sign * compare(value(a.cells[column]), value(b.cells[column])));
        table.tBodies[0].append(...rows);
      });
    });
  }
}

/* What scrolls sideways can be reached by keyboard. */
function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .picture, div.formula")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

function unfold() {
  const target = document.querySelector(":target");
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const further = target?.querySelector(":scope > details");
  if (further) further.open = true;
  target?.scrollIntoView();
}

/* The theme has two landmarks of one kind without names. */
function named() {
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "The site");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "This page");
}

/* Excerpts of what a search finds, where pages are served: from a folder a browser fetches none. */
function excerpts() {
  if (location.protocol !== "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = true;
}

excerpts();
named();
typeset();
predictions();
sortable();
reachable();
addEventListener("resize", reachable);
document.fonts.ready.then(reachable);
document.addEventListener("toggle", reachable, true);
addEventListener("hashchange", unfold);
addEventListener("load", unfold);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
