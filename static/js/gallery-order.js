/* An album's own order: drag a tile, or Alt and an arrow key. */
"use strict";

(() => {
  const { gallery } = window;
  const grid = document.querySelector("[data-sortable]");
  if (!grid || !gallery?.post) return;

  // By hand, so that the first paint of a page needs no attribute on each tile.
  const arm = (cell) => (cell.draggable = true);
  for (const cell of gallery.cells()) arm(cell);
  grid.addEventListener("pointerover", (event) => {
    const cell = event.target.closest(".cell");
    if (cell) arm(cell);
  });

  let moved = [];
  let mark = null; // {cell, after}: where it would fall

  function show(next) {
    mark?.cell.classList.remove("moved-before", "moved-after");
    mark = next;
    mark?.cell.classList.add(mark.after ? "moved-after" : "moved-before");
  }

  grid.addEventListener("dragstart", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    const chosen = gallery.selected();
    moved = chosen.includes(cell) ? chosen : [cell];
    for (const each of moved) each.classList.add("moving");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", cell.dataset.id);
  });

  grid.addEventListener("dragover", (event) => {
    const cell = event.target.closest(".cell");
    if (!moved.length || !cell) return;
    event.preventDefault();
    const r = cell.getBoundingClientRect();
    show({ cell, after: event.clientX > (r.left + r.right) / 2 });
  });

  grid.addEventListener("drop", (event) => {
    if (!mark) return;
    event.preventDefault();
    const all = gallery.cells();
    const place = all.indexOf(mark.cell) + (mark.after ? 1 : 0);
    const before = all.slice(place).find((cell) => !moved.includes(cell)) || null;
    move(moved, before);
  });

  grid.addEventListener("dragend", () => {
    for (const cell of moved) cell.classList.remove("moving");
    moved = [];
    show(null);
  });

  // `before` null: to the end of what is loaded.
  async function move(cells, before) {
    const all = gallery.cells().filter((cell) => !cells.includes(cell));
    const fields = cells.map((cell) => ["ids", cell.dataset.id]);
    let order = fields;
    if (before) order = [...fields, ["before", before.dataset.id]];
    else if (all.length) {
      // In front of the last one, and then that one in front of them.
      const last = all[all.length - 1];
      const first = await gallery.post(grid.dataset.sortable, [...fields, ["before", last.dataset.id]]);
      if (first.errors) return gallery.toast("The order was not changed.");
      order = [["ids", last.dataset.id], ["before", cells[0].dataset.id]];
    } else return;
    const answer = await gallery.post(grid.dataset.sortable, order);
    if (answer.errors) return gallery.toast(Object.values(answer.errors).flat().join(" "));
    const tail = all[all.length - 1];
    if (before) before.before(...cells);
    else tail.after(...cells);
  }

  document.addEventListener("keydown", (event) => {
    const cell = document.activeElement?.closest(".cell");
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!event.altKey || !way || !cell || !grid.contains(cell)) return;
    event.preventDefault();
    const all = gallery.cells();
    const place = all.indexOf(cell);
    if (!all[place + way]) return;
    const before = way < 0 ? all[place - 1] : all[place + 2] || null;
    const link = cell.querySelector(".tile");
    move([cell], before).then(() => link.focus());
  });
})();
