/* Keyboard triage in the grid. A key acts on what is selected, else on the tile in focus. */
"use strict";

(() => {
  const { gallery } = window;
  if (!gallery?.mark) return;

  const current = () => document.activeElement?.closest?.(".cell");
  const focus = (cell) => cell?.querySelector(".tile").focus();
  const centre = (cell) => {
    const r = cell.getBoundingClientRect();
    return { x: (r.left + r.right) / 2, y: r.top };
  };

  // The tile of the next row up or down whose middle is nearest.
  function vertical(cell, way) {
    const all = gallery.cells();
    const from = centre(cell);
    let row = null;
    let best = null;
    for (let i = all.indexOf(cell) + way; all[i]; i += way) {
      const to = centre(all[i]);
      if (Math.abs(to.y - from.y) < 4) continue;
      row ??= to.y;
      if (Math.abs(to.y - row) > 4) break;
      if (!best || Math.abs(to.x - from.x) < Math.abs(centre(best).x - from.x)) best = all[i];
    }
    return best;
  }

  function step(cell, key) {
    const all = gallery.cells();
    if (!cell) return all.find((each) => each.getBoundingClientRect().bottom > 40) || all[0];
    const way = { ArrowLeft: -1, ArrowRight: 1 }[key];
    return way ? all[all.indexOf(cell) + way] : vertical(cell, key === "ArrowUp" ? -1 : 1);
  }

  function targets() {
    const chosen = gallery.selected();
    const cell = current();
    return chosen.length ? chosen : cell ? [cell] : [];
  }

  function act(key) {
    const cells = targets();
    if (!cells.length) return false;
    if (key === "f") {
      const all = cells.every((cell) => cell.dataset.favourite === "1");
      gallery.mark(all ? "unfavourite" : "favourite", "", cells);
    } else if (/^[0-5]$/.test(key)) gallery.mark("rate", key, cells);
    else if (key === "Delete" || key === "Backspace") gallery.mark("trash", "", cells);
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const cell = current();
    let done = true;
    if (command && key === "a") gallery.all();
    else if (command && key === "z") gallery.undo();
    else if (command) done = false;
    else if (key === "Escape") {
      if (document.querySelector(":popover-open")) return;
      gallery.clear();
    } else if (key.startsWith("Arrow") && !event.shiftKey) {
      const next = step(cell, key);
      focus(next);
      next?.scrollIntoView({ block: "nearest" });
      done = Boolean(next);
    } else if (key === " " && cell && !event.target.matches("input")) gallery.toggle(cell, event.shiftKey);
    else if (key === "?") document.getElementById("keys")?.togglePopover();
    else if (gallery.grid.dataset.trash === undefined) done = act(key);
    else done = false;
    if (done) event.preventDefault();
  });
})();
