/* Favourite, rate, tag, album, trash: sent at once, shown at once, taken back by "Undo". */
"use strict";

(() => {
  const { gallery } = window;
  if (!gallery) return;
  const { form, grid } = gallery;
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const TOAST_LASTS = 12000;
  const area = document.getElementById("toasts");
  let last = null; // the change that Ctrl+Z takes back

  async function post(url, fields) {
    try {
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams(fields),
        headers: { Accept: "application/json", "X-CSRFToken": token },
      });
      if (response.redirected) location.reload(); // signed out meanwhile
      const answer = await response.json();
      return response.ok ? answer : { errors: answer.errors || {} };
    } catch {
      return { errors: { network: ["The server does not answer. Nothing was changed."] } };
    }
  }

  function toast(message, change) {
    const note = document.createElement("div");
    note.className = "toast-note";
    note.append(Object.assign(document.createElement("span"), { textContent: message }));
    if (change) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "button button-small", textContent: "Undo" });
      button.addEventListener("click", () => undo(change));
      note.append(button);
      change.note = note;
    }
    area.replaceChildren(note);
    let timer = setTimeout(() => note.remove(), TOAST_LASTS);
    note.addEventListener("pointerenter", () => clearTimeout(timer));
    note.addEventListener("pointerleave", () => (timer = setTimeout(() => note.remove(), TOAST_LASTS)));
  }

  function show(cell, state) {
    Object.assign(cell.dataset, state);
    const stars = cell.querySelector("[data-stars]");
    if (stars) stars.textContent = cell.dataset.rating;
  }

  function apply(action, value, cells) {
    const gone = action === "trash" || action === "restore" || action === "album-remove";
    for (const cell of cells) {
      if (gone) cell.hidden = true;
      if (action === "favourite") show(cell, { favourite: "1" });
      if (action === "unfavourite") show(cell, { favourite: "0" });
      if (action === "rate") show(cell, { rating: value });
    }
  }

  function former(cells) {
    return cells.map((cell) => ({
      cell,
      hidden: cell.hidden,
      state: { favourite: cell.dataset.favourite, rating: cell.dataset.rating },
    }));
  }

  // The tile that has the keyboard's focus when these are gone.
  function neighbour(gone) {
    const all = gallery.cells();
    const first = all.indexOf(gone[0]);
    const rest = new Set(gone);
    const after = all.slice(first).find((cell) => !rest.has(cell));
    return after || all.slice(0, first).reverse().find((cell) => !rest.has(cell));
  }

  async function mark(action, value, chosen) {
    // Those of others in an album can be taken out of it, no more.
    const cells = action === "album-remove" ? chosen : chosen.filter((cell) => !cell.dataset.foreign);
    if (!cells.length) {
      return toast(chosen.length ? "These pictures are not yours to change." : "Choose at least one picture.");
    }
    const fields = cells.map((cell) => (cell.dataset.stack ? ["stacks", cell.dataset.stack] : ["ids", cell.dataset.id]));
    fields.push(["action", action], ["value", value]);
    const before = former(cells);
    const next = neighbour(cells);
    const focused = cells.some((cell) => cell.contains(document.activeElement));
    apply(action, value, cells);
    const answer = await post(form.getAttribute("action"), fields);
    if (answer.errors) {
      restore(before);
      fail(action, answer.errors);
      return;
    }
    for (const menu of document.querySelectorAll(".bulk-menu:popover-open")) menu.hidePopover();
    const change = answer.undo ? { token: answer.undo, before } : null;
    if (change) last = change;
    toast(answer.message, change);
    if (before.some(({ cell }) => cell.hidden)) {
      gallery.clear();
      if (focused) next?.querySelector(".tile").focus({ preventScroll: false });
    }
  }

  function restore(before) {
    for (const { cell, hidden, state } of before) {
      cell.hidden = hidden;
      show(cell, state);
    }
    gallery.refresh();
  }

  function fail(action, errors) {
    const sentence = Object.values(errors).flat().join(" ");
    const place = form.querySelector(`[data-error="${action === "untag" ? "tag" : action}"]`);
    if (place && errors.value) {
      place.textContent = sentence;
      place.hidden = false;
    } else toast(sentence);
  }

  async function undo(change = last) {
    if (!change) return;
    if (change === last) last = null;
    change.note?.remove();
    const answer = await post(form.dataset.undo, { undo: change.token });
    if (!answer.errors) restore(change.before);
    toast(answer.errors ? Object.values(answer.errors).flat().join(" ") : answer.message);
    change.before[0]?.cell.querySelector(".tile").focus({ preventScroll: true });
  }

  // Stacks as pictures, for pages that take pictures only.
  async function sendByItself(submitter) {
    const stacks = gallery.selected().filter((cell) => cell.dataset.stack);
    const query = new URLSearchParams(stacks.map((cell) => ["stacks", cell.dataset.stack]));
    const response = await fetch(`${form.dataset.stackIds}?${query}`, { headers: { Accept: "application/json" } });
    const { ids } = await response.json();
    const added = ids.map((id) => Object.assign(document.createElement("input"), { type: "hidden", name: "ids", value: id }));
    form.append(...added);
    form.dataset.expanded = "1";
    form.requestSubmit(submitter);
    delete form.dataset.expanded;
    for (const input of added) input.remove();
  }

  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && "native" in button.dataset) {
      if (form.dataset.expanded || !gallery.selected().some((cell) => cell.dataset.stack)) return;
      event.preventDefault();
      sendByItself(button);
      return;
    }
    event.preventDefault();
    for (const place of form.querySelectorAll("[data-error]")) place.hidden = true;
    const cells = gallery.selected();
    if (button?.name === "rate") return mark("rate", button.value, cells);
    let action = button?.value || "tag";
    if (action === "favourite" && cells.every((cell) => cell.dataset.favourite === "1")) action = "unfavourite";
    const source = button?.dataset.valueFrom || `value_${action}`;
    mark(action, form.elements[source]?.value || "", cells);
  });

  window.gallery = Object.assign(gallery, { mark, undo: () => undo(), post, toast, grid });
})();
