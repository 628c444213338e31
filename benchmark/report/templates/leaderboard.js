"use strict";
(() => {
  const shown = document.getElementById("shown"); // read out by screen readers
  const method = document.getElementById("method");
  const corpus = document.getElementById("corpus");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function key(row, head) {
    const value = row.cells[head.cellIndex].dataset.value;
    return value === undefined ? null : head.dataset.kind === "text" ? value.toLowerCase() : Number(value);
  }

  for (const table of all("table.sorted"))
    sortable(table, [...table.tBodies].map((body) => [body, [...body.rows]]), key);

  // Rows of which one holds each word; a corpus without one is hidden.
  function filter() {
    const words = method.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of all("[data-find]"))
      row.hidden = !words.every((word) => row.dataset.find.includes(word));
    for (const of of all("[data-corpus]"))
      of.hidden = corpus.value !== "" && of.dataset.corpus !== corpus.value;
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
