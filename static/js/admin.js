/* What Django's administration leaves unsaid to those who listen to it. */
"use strict";

(() => {
  const textOf = (element) => (element ? element.textContent.trim().replace(/:$/, "") : "");

  function nameDates() {
    for (const pair of document.querySelectorAll("p.datetime")) {
      const label = textOf(pair.closest(".form-row, td")?.querySelector("label"));
      const names = ["date", "time"];
      pair.querySelectorAll("input").forEach((input, index) => {
        input.setAttribute("aria-label", `${label} ${names[index]}`.trim());
      });
    }
  }

  // Fields in a list: the column's heading and the row's name.
  function nameCells() {
    for (const cell of document.querySelectorAll("#result_list tbody td")) {
      const field = cell.querySelector("input:not([type=hidden]):not(.action-select), select");
      const heading = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
      if (field) {
        const row = textOf(cell.parentElement.querySelector("th"));
        field.setAttribute("aria-label", `${textOf(heading.querySelector(".text"))}, ${row}`);
      }
    }
  }

  function nameRest() {
    for (const tip of document.querySelectorAll("span.help-tooltip[aria-label]")) tip.role = "img";
    for (const link of document.querySelectorAll("#changelist-filter a")) {
      if (!textOf(link)) link.textContent = "(none)";
    }
    for (const head of document.querySelectorAll("thead th")) {
      if (textOf(head)) continue;
      const cell = document.createElement("td");
      cell.className = head.className;
      if (!head.children.length) head.replaceWith(cell);
    }
  }

  // After Django's own scripts, which make some of these.
  addEventListener("load", () => {
    setTimeout(() => [nameDates, nameCells, nameRest].forEach((name) => name()));
  });
})();
