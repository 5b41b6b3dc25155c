/* Selecting tiles: click, shift, rectangle, long press. The checkboxes are the truth, so
   that the bar is a plain form and a page that comes back has what was chosen. */
"use strict";

(() => {
  const root = document.documentElement;
  const grid = document.querySelector("[data-grid]");
  const form = document.getElementById("marking");
  if (!grid || !form) return;

  const box = (cell) => cell.querySelector(".pick input");
  const cells = () => [...grid.querySelectorAll(".cell:not([hidden])")];
  const selected = () => cells().filter((cell) => box(cell).checked);
  const select = document.querySelector("[data-select]");
  let anchor = null; // where a range begins
  let choosing = false; // "Select" was pressed: clicks choose even when nothing is chosen

  function refresh() {
    const chosen = selected();
    const open = chosen.length > 0;
    form.classList.toggle("open", open || choosing);
    root.classList.toggle("has-bulk", open || choosing);
    grid.classList.toggle("selecting", open || choosing);
    select?.setAttribute("aria-pressed", String(choosing));
    form.querySelector("[data-count]").textContent = open ? `${chosen.length} selected` : "Choose pictures";
    for (const button of form.querySelectorAll("[data-one]")) button.hidden = chosen.length !== 1;
    offer(form.querySelector("[data-compare]"), chosen, 2, 4);
    offer(form.querySelector("[data-share]"), chosen, 1, 50);
  }

  // A link that takes the chosen pictures along, where it can have so many, and no stack.
  function offer(link, chosen, least, most) {
    if (!link) return;
    const plain = chosen.filter((cell) => !cell.dataset.stack);
    link.hidden = plain.length !== chosen.length || chosen.length < least || chosen.length > most;
    const ids = plain.map((cell) => `ids=${cell.dataset.id}`).join("&");
    link.href = `${link.href.split("?")[0]}?${ids}`;
  }

  function set(cell, on) {
    box(cell).checked = on;
  }

  function toggle(cell, ranged) {
    const all = cells();
    const from = anchor && ranged ? all.indexOf(anchor) : -1;
    if (from >= 0) {
      const to = all.indexOf(cell);
      for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) set(each, true);
    } else {
      set(cell, !box(cell).checked);
      anchor = cell;
    }
    refresh();
  }

  function clear() {
    choosing = false;
    for (const cell of grid.querySelectorAll(".cell")) set(cell, false);
    anchor = null;
    refresh();
  }

  function all() {
    for (const cell of cells()) set(cell, true);
    refresh();
  }

  let swallow = false; // the click that ends a drag or a long press opens nothing
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (swallow) {
      swallow = false;
      event.preventDefault();
      return;
    }
    if (!cell) return;
    if (event.target.closest(".pick")) {
      // A label's click comes again from its checkbox, which has changed by then.
      if (!event.target.matches("input")) return;
      const on = event.target.checked;
      if (event.shiftKey && anchor) {
        set(cell, !on);
        toggle(cell, true);
      } else anchor = cell;
      refresh();
      return;
    }
    const modified = event.shiftKey || event.ctrlKey || event.metaKey;
    if (!modified && !grid.classList.contains("selecting")) return;
    event.preventDefault();
    toggle(cell, event.shiftKey);
  });

  select?.addEventListener("click", () => {
    if (choosing || selected().length) clear();
    else {
      choosing = true;
      refresh();
    }
  });
  form.querySelector("[data-clear]").addEventListener("click", clear);

  // Long press on touch.
  let press = 0;
  grid.addEventListener("pointerdown", (event) => {
    swallow = false;
    const cell = event.target.closest(".cell");
    if (event.pointerType !== "touch" || !cell) return;
    press = setTimeout(() => {
      press = 0;
      swallow = true;
      toggle(cell, false);
      navigator.vibrate?.(10);
    }, 450);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove", "scroll"]) {
    addEventListener(
      name,
      (event) => {
        if (name === "pointermove" && Math.hypot(event.movementX, event.movementY) < 4) return;
        clearTimeout(press);
      },
      { passive: true },
    );
  }
  grid.addEventListener("contextmenu", (event) => {
    if (swallow) event.preventDefault();
  });

  // A rectangle by the mouse; albums move their tiles by the same gesture.
  let drag = null;
  function begin(event) {
    if (event.pointerType === "touch" || event.button || grid.dataset.sortable) return;
    if (event.target.closest("label, button, input, .more")) return;
    drag = { x: event.pageX, y: event.pageY, frame: null, before: null };
  }

  function move(event) {
    if (!drag) return;
    if (!drag.frame) {
      if (Math.hypot(event.pageX - drag.x, event.pageY - drag.y) < 8) return;
      drag.frame = document.body.appendChild(document.createElement("div"));
      drag.frame.className = "rectangle";
      drag.before = new Set(event.shiftKey || event.ctrlKey || event.metaKey ? selected() : []);
      document.body.classList.add("dragging");
    }
    const left = Math.min(drag.x, event.pageX) - scrollX;
    const top = Math.min(drag.y, event.pageY) - scrollY;
    const right = Math.max(drag.x, event.pageX) - scrollX;
    const bottom = Math.max(drag.y, event.pageY) - scrollY;
    Object.assign(drag.frame.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
    for (const cell of cells()) {
      const r = cell.getBoundingClientRect();
      const inside = r.left < right && r.right > left && r.top < bottom && r.bottom > top;
      set(cell, inside || drag.before.has(cell));
    }
    refresh();
  }

  function end() {
    if (drag?.frame) {
      drag.frame.remove();
      document.body.classList.remove("dragging");
      swallow = true;
      setTimeout(() => (swallow = false));
    }
    drag = null;
  }
  grid.addEventListener("pointerdown", begin);
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);

  addEventListener("pageshow", refresh);
  window.gallery = { grid, form, cells, selected, toggle, clear, all, refresh };
})();
