"use strict";
// Let each title of a table sort rows within the groups that they stand in.
//   groups: [parent, rows] each; rows in the order in which the page came
//   key: what a row is sorted by under a title: a number or a text; null where it has none
//   told: is called with the title and its new direction
function sortable(table, groups, key, told = () => {}) {
  const next = { none: "ascending", ascending: "descending", descending: "none" };

  function sort(head) {
    const direction = next[head.getAttribute("aria-sort")];
    const sign = direction === "descending" ? -1 : 1;
    for (const [parent, rows] of groups) {
      const keys = new Map(rows.map((row) => [row, key(row, head)]));
      const sorted = [...rows]; // sort() keeps the order among equals
      if (direction !== "none") sorted.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (x === null || y === null) return (x === null) - (y === null); // last, either way
        return x < y ? -sign : x > y ? sign : 0;
      });
      parent.append(...sorted);
    }
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", direction);
    told(head, direction);
  }

  for (const head of table.tHead.rows[0].cells)
    (head.querySelector(".sort") ?? head.firstElementChild).addEventListener("click", () => sort(head));
}
