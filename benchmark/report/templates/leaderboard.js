"use strict";
(() => {
  const shown = document.getElementById("shown"); // read out by screen readers
  const method = document.getElementById("method");
  const corpus = document.getElementById("corpus");
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // What a row is sorted by: a number or a text; null where it has none.
  function key(row, head) {
    const value = row.cells[head.cellIndex].dataset.value;
    return value === undefined ? null : head.dataset.kind === "text" ? value.toLowerCase() : Number(value);
  }

  function sort(table, bodies, head) {
    const direction = next[head.getAttribute("aria-sort")];
    const sign = direction === "descending" ? -1 : 1;
    for (const [body, rows] of bodies) {
      const sorted = [...rows]; // as the page came, which sort() keeps among equals
      if (direction !== "none") sorted.sort((a, b) => {
        const [x, y] = [key(a, head), key(b, head)];
        if (x === null || y === null) return (x === null) - (y === null); // last, either way
        return x < y ? -sign : x > y ? sign : 0;
      });
      body.append(...sorted);
    }
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", direction);
  }

  for (const table of all("table.sorted")) {
    const bodies = [...table.tBodies].map((body) => [body, [...body.rows]]);
    for (const head of table.tHead.rows[0].cells)
      head.firstElementChild.addEventListener("click", () => sort(table, bodies, head));
  }

  // Rows of which one holds each word; a corpus without one is hidden.
  function filter() {
    const words = method.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of all("[data-find]"))
      row.hidden = !words.every((word) => row.dataset.find.includes(word));
    for (const of of all("[data-corpus]"))
      of.hidden = corpus.value !== "" && of.dataset.corpus !== corpus.value;
    for (const section of all("section[data-corpus], section[data-overview]"))
      section.hidden ||= false;
    let rows = 0, corpora = 0;
    for (const section of all("main > section:not(#legend)")) {
      const left = all("[data-find]:not([hidden])", section).length;
      const chosen = section.dataset.corpus === undefined || corpus.value === "" || section.dataset.corpus === corpus.value;
      section.hidden = !left || !chosen;
      if (section.hidden || section.dataset.corpus === undefined) continue;
      rows += left;
      corpora += 1;
    }
    document.getElementById("nothing").hidden = rows > 0;
    shown.textContent = `${rows} row${rows === 1 ? "" : "s"}, ${corpora} corp${corpora === 1 ? "us" : "ora"}`;
  }

  function download(event) {
    const lines = all("section[data-corpus]:not([hidden]) [data-csv]:not([hidden])").map((row) => row.dataset.csv);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([event.target.dataset.head, ...lines], { type: "text/csv" }));
    link.download = "leaderboard.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  method.addEventListener("input", filter);
  corpus.addEventListener("change", filter);
  document.getElementById("csv").addEventListener("click", download);
  filter(); // also of what the browser kept in the fields
})();
