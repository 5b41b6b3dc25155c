/* The gallery's search: suggestions while typing, the order at once, the filters. */
"use strict";

(() => {
  const form = document.querySelector("[data-search]");
  if (!form) return;
  const field = form.querySelector("#search-field");
  const list = form.querySelector("#search-list");
  let shown = [];
  let chosen = -1;
  let asked = 0;
  let timer = 0;

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("aria-autocomplete", "list");

  // What a search consists of; a quotation mark keeps its spaces in it.
  const PIECES = /-?(?:\p{L}+:)?"[^"]*"?\*?|[^\s()"]+|[\s()]/gu;

  // The word before the caret, and its end behind it.
  function word() {
    const before = field.value.slice(0, field.selectionStart);
    const last = before.match(PIECES)?.at(-1) ?? "";
    const begun = /^[\s()]$|"\*?$/.test(last) && !/^-?(?:\p{L}+:)?"$/u.test(last) ? "" : last;
    const start = before.length - begun.length;
    const rest = begun.includes('"') ? "" : field.value.slice(before.length).match(/^[^\s()"]*/)[0];
    return { start, end: before.length + rest.length, text: begun };
  }

  function close() {
    list.hidden = true;
    shown = [];
    chosen = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    chosen = index;
    for (const [n, option] of [...list.children].entries()) {
      option.setAttribute("aria-selected", String(n === index));
      if (n === index) option.scrollIntoView({ block: "nearest" });
    }
    if (index < 0) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `search-option-${index}`);
  }

  function show(suggestions) {
    shown = suggestions;
    list.replaceChildren(
      ...suggestions.map(({ text, about }, n) => {
        const option = document.createElement("li");
        option.className = "search-option";
        option.id = `search-option-${n}`;
        option.setAttribute("role", "option");
        const code = document.createElement("code");
        code.textContent = text;
        const said = document.createElement("span");
        said.textContent = about;
        option.append(code, said);
        // The field keeps the focus.
        option.addEventListener("mousedown", (event) => event.preventDefault());
        option.addEventListener("click", () => take(n));
        return option;
      }),
    );
    list.hidden = !suggestions.length;
    field.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
  }

  function take(index) {
    const { start, end } = word();
    const text = shown[index].text;
    const open = text.endsWith(":");
    const after = field.value.slice(end).trimStart();
    field.value = `${field.value.slice(0, start)}${text}${open ? "" : " "}${after}`;
    const caret = start + text.length + (open ? 0 : 1);
    field.setSelectionRange(caret, caret);
    field.focus();
    if (open) suggest();
    else close();
  }

  async function suggest() {
    const { text } = word();
    const mine = ++asked;
    try {
      const address = `${form.dataset.suggest}?word=${encodeURIComponent(text)}`;
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const { suggestions } = await response.json();
      if (mine === asked && document.activeElement === field) show(suggestions);
    } catch {
      // Suggestions are a comfort: without them the field still searches.
      close();
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, 120);
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && list.hidden) {
      event.preventDefault();
      suggest();
    } else if (list.hidden) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const count = shown.length + 1;
      mark(((chosen + 1 + step + count) % count) - 1);
    } else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) {
      event.preventDefault();
      take(chosen);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });

  form.querySelector("[data-search-order]").addEventListener("change", () => form.requestSubmit());

  // "/" goes to the field, as in many other places.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], [popover]")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });

  const panel = document.getElementById("facets");
  const link = form.querySelector("[data-facets-open]");
  const body = panel.querySelector("[data-facets-body]");
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    panel.showPopover();
    if (body.childElementCount) return;
    try {
      const response = await fetch(link.href, { headers: { "HX-Request": "true" } });
      if (!response.ok || response.redirected) throw new Error(String(response.status));
      body.innerHTML = await response.text();
    } catch {
      location.assign(link.href);
    }
  });
})();
