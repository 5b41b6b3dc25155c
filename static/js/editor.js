/* The editor of a template's form: moving its rows, and dropping files to import. */
"use strict";

(() => {
  // Dropped files go the way of chosen ones.
  for (const zone of document.querySelectorAll("[data-import]")) {
    const input = zone.querySelector('input[type="file"]');
    const send = () => input.files.length && zone.closest("form").requestSubmit();
    input.addEventListener("change", send);
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      zone.addEventListener(name, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name !== "drop" || !event.dataTransfer.files.length) return;
        input.files = event.dataTransfer.files;
        send();
      });
    }
  }

  const rows = document.getElementById("rows");
  if (!rows) return;

  const told = document.getElementById("rows-told");
  const all = () => [...rows.querySelectorAll(":scope > [data-row]")];
  const groupOf = (row) => row.querySelector("[data-group-of]");
  const titleOf = (row) => row.querySelector("[data-title]").textContent;

  // Group names stand once above their rows; the page knows them for other rows.
  function arrange() {
    let last = null;
    const names = new Set();
    for (const row of all()) {
      const name = groupOf(row).value.trim();
      const heading = row.querySelector("[data-group-name]");
      heading.textContent = name || "No group";
      heading.hidden = name === last;
      last = name;
      if (name) names.add(name);
    }
    document.getElementById("groups").replaceChildren(
      ...[...names].map((name) => Object.assign(document.createElement("option"), { value: name })),
    );
  }

  function changed() {
    arrange();
    document.getElementById("preview").dispatchEvent(new Event("recount"));
  }

  // A row joins the group that it comes into.
  function settle(row) {
    const [above, below] = [row.previousElementSibling, row.nextElementSibling];
    const near = [above, below].filter(Boolean).map((other) => groupOf(other).value.trim());
    if (near.length && !near.includes(groupOf(row).value.trim())) groupOf(row).value = near[0];
    told.textContent = `${titleOf(row)} is number ${all().indexOf(row) + 1} of ${all().length}.`;
    changed();
  }

  function move(row, by) {
    const other = by < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    const focus = document.activeElement;
    if (by < 0) other.before(row);
    else other.after(row);
    if (row.contains(focus)) focus.focus();
    row.scrollIntoView({ block: "nearest" });
    settle(row);
  }

  rows.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const row = button?.closest("[data-row]");
    if (!row) return;
    if (button.dataset.move) {
      event.preventDefault();
      move(row, Number(button.dataset.move));
    } else if ("remove" in button.dataset) {
      event.preventDefault();
      const next = row.nextElementSibling || row.previousElementSibling;
      told.textContent = `${titleOf(row)} is removed.`;
      row.remove();
      next?.querySelector("[data-remove]").focus();
      changed();
    }
  });

  rows.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || !event.target.closest("[data-grip]")) return;
    event.preventDefault();
    move(event.target.closest("[data-row]"), by);
  });

  // Dragging by mouse, finger or pen: the row follows the pointer through the list.
  rows.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip || event.button) return;
    const row = grip.closest("[data-row]");
    const before = row.nextElementSibling;
    let last = event.clientY;
    grip.setPointerCapture(event.pointerId);
    row.classList.add("dragged");

    const follow = (moved) => {
      const y = moved.clientY;
      const up = y < last;
      last = y;
      if (y < 60) scrollBy(0, -12);
      if (y > innerHeight - 90) scrollBy(0, 12);
      const middle = (other) => {
        const box = other.querySelector(".row-head").getBoundingClientRect();
        return box.top + Math.min(box.height, 60) / 2;
      };
      const [above, below] = [row.previousElementSibling, row.nextElementSibling];
      // The others move: a row that is moved itself loses the pointer.
      if (up && above && y < middle(above)) row.after(above);
      else if (!up && below && y > middle(below)) row.before(below);
    };
    const end = () => {
      grip.removeEventListener("pointermove", follow);
      row.classList.remove("dragged");
      if (row.nextElementSibling !== before) settle(row);
    };
    grip.addEventListener("pointermove", follow);
    grip.addEventListener("lostpointercapture", end, { once: true });
  });

  rows.addEventListener("input", (event) => {
    const row = event.target.closest("[data-row]");
    if (event.target.matches("[data-label-of]")) {
      row.querySelector("[data-title]").textContent = event.target.value || "…";
    } else if (event.target.matches("[data-kind-of]")) {
      row.dataset.kind = event.target.value;
      row.querySelector("[data-kind-name]").textContent = event.target.selectedOptions[0].text;
    } else if (event.target.matches("[data-group-of]")) {
      arrange();
    }
  });

  // A row that came by "Add": show it, and what it changes.
  document.addEventListener("htmx:after:swap", () => {
    for (const row of rows.querySelectorAll("[data-new]")) {
      delete row.dataset.new;
      told.textContent = `${titleOf(row)} is added.`;
      row.querySelector("summary").focus({ preventScroll: true });
      row.scrollIntoView({ block: "center" });
      changed();
    }
  });

  // Leaving with changes that are not saved asks first.
  const form = document.getElementById("editor-form");
  let unsaved = false;
  form.addEventListener("input", (event) => (unsaved ||= event.target.name !== "q"));
  document.getElementById("preview").addEventListener("recount", () => (unsaved = true));
  form.addEventListener("submit", () => (unsaved = false));
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (ctx?.sourceElement?.id !== "generate-form" || ctx.response?.status !== 200) return;
    // A test run has saved the draft; show its job.
    unsaved = false;
    document.querySelector("#live-jobs > :first-child")?.scrollIntoView({ block: "center" });
  });
  addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

  arrange();
})();
