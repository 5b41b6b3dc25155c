/* Writing prompts: recent ones, and weights by Ctrl+Up and Ctrl+Down. */
"use strict";

(() => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fill]");
    const menu = button?.closest("[data-fills]");
    const field = menu && document.getElementById(menu.dataset.fills);
    if (!field) return;
    field.value = button.textContent;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    menu.hidePopover();
    field.focus();
  });

  const WEIGHTED = /^\((.*):(-?\d+(?:\.\d+)?)\)$/s;

  // [start, end] of the weighted group around the cursor, else of the word.
  function around(text, from, to) {
    if (from !== to) {
      const before = text[from - 1] === "(" && /^:-?[\d.]+\)/.exec(text.slice(to));
      return before ? [from - 1, to + before[0].length] : [from, to];
    }
    for (const group of text.matchAll(/\([^()]*:-?\d+(?:\.\d+)?\)/g)) {
      const end = group.index + group[0].length;
      if (group.index <= from && from <= end) return [group.index, end];
    }
    const left = /[^\s,.;:()|{}]*$/.exec(text.slice(0, from))[0].length;
    const right = /^[^\s,.;:()|{}]*/.exec(text.slice(from))[0].length;
    return [from - left, from + right];
  }

  function weigh(field, by) {
    const [start, end] = around(field.value, field.selectionStart, field.selectionEnd);
    const chosen = field.value.slice(start, end);
    if (!chosen.trim()) return;
    const [, word, old] = WEIGHTED.exec(chosen) || [null, chosen, "1"];
    const weight = Math.min(2, Math.max(0, Math.round((Number(old) + by) * 100) / 100));
    const made = weight === 1 ? word : `(${word}:${weight})`;
    field.setSelectionRange(start, end);
    // Unlike setRangeText, this can be undone with Ctrl+Z.
    if (!document.execCommand("insertText", false, made)) field.setRangeText(made);
    const inner = weight === 1 ? start : start + 1;
    field.setSelectionRange(inner, inner + word.length);
  }

  document.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
    if (!by || !(event.ctrlKey || event.metaKey)) return;
    if (!event.target.matches?.("[data-weights]")) return;
    event.preventDefault();
    weigh(event.target, by);
  });
})();
