"use strict";
(() => {
  const said = document.getElementById("said"); // read out by screen readers
  const next = { none: "ascending", ascending: "descending", descending: "none" };

  // What a row is sorted by: its label, or the value of a cell; null where that has no figure.
  function key(body, column) {
    if (column === 0) return body.dataset.label;
    const value = body.rows[0].cells[column].dataset.value;
    return value === undefined ? null : Number(value);
  }

  function sort(table, bodies, head) {
    const direction = next[head.getAttribute("aria-sort")];
    const sign = direction === "descending" ? -1 : 1;
    const keys = new Map(bodies.map((body) => [body, key(body, head.cellIndex)]));
    const sorted = [...bodies]; // in the study's order, which sort() keeps among equals
    if (direction !== "none") sorted.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      if (x === null || y === null) return (x === null) - (y === null); // last, either way
      return x < y ? -sign : x > y ? sign : 0;
    });
    table.append(...sorted);
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", direction);
    said.textContent = direction === "none"
      ? "In the study’s order" : `Sorted by ${head.ariaLabel}, ${direction}`;
  }

  for (const table of document.querySelectorAll("table.sorted")) {
    const bodies = [...table.tBodies]; // each is a row and its panel, which stay together
    for (const head of table.tHead.rows[0].cells)
      head.querySelector(".sort").addEventListener("click", () => sort(table, bodies, head));
  }

  // A definition stands beside the button that opened it; without scripts, amid the window.
  let asked = null;
  document.addEventListener("click", (event) => { asked = event.target.closest(".what"); }, true);
  document.addEventListener("toggle", (event) => {
    if (event.newState !== "open" || !asked || !event.target.matches(".tip")) return;
    const [tip, at] = [event.target, asked.getBoundingClientRect()];
    Object.assign(tip.style, { margin: "0", inset: "auto" });
    const low = at.bottom + 4 + tip.offsetHeight > innerHeight;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, low ? at.top - tip.offsetHeight - 4 : at.bottom + 4)}px`;
  }, true);

  async function copy(button) {
    const command = button.nextElementSibling;
    let done = true;
    getSelection().selectAllChildren(command); // to be copied by hand where both ways are refused
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch { // as on plain http
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    said.textContent = done ? "Copied to the clipboard" : "Selected; copy it";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  // A link to a run opens what it lies in.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.className === "runs") at.parentElement.querySelector("details").open = true;
    }
    target?.scrollIntoView();
  }

  document.addEventListener("click", (event) => {
    if (event.target.matches("button.copy")) copy(event.target);
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) reveal(); // there is no hashchange the second time
  });
  addEventListener("hashchange", reveal);
  reveal();
})();
