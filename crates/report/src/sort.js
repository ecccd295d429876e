"use strict";
// Sorts a table by the column whose heading is pressed, up and then down. Undefined numbers stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const column = heading.cellIndex;
    const numeric = heading.classList.contains("number");
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[column];
      return numeric ? parseFloat(cell.dataset.value) : cell.textContent;
    };
    const compare = (a, b) => {
      const [x, y] = descending ? [key(b), key(a)] : [key(a), key(b)];
      if (!numeric) return x.localeCompare(y, undefined, { numeric: true });
      if (isNaN(key(a)) || isNaN(key(b))) return isNaN(key(a)) - isNaN(key(b));
      return x - y;
    };
    for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = heading.closest("table").tBodies[0];
    body.append(...Array.from(body.rows).sort(compare));
  });
}
