"use strict";
(() => {
  const said = document.getElementById("said"); // read out by screen readers

  // A table's row and its panel are one body, and stay together.
  function key(body, head) {
    if (head.cellIndex === 0) return body.dataset.label;
    const value = body.rows[0].cells[head.cellIndex].dataset.value;
    return value === undefined ? null : Number(value);
  }

  for (const table of document.querySelectorAll("table.sorted"))
    sortable(table, [[table, [...table.tBodies]]], key, (head, direction) => {
      said.textContent = direction === "none"
        ? "In the study’s order" : `Sorted by ${head.ariaLabel}, ${direction}`;
    });

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
