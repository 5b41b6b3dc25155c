/* Small comforts for every page. Each works on elements that come later, too. */
"use strict";

(() => {
  // A tile's blurred picture goes once the real one is there.
  function loaded(img) {
    img.closest(".tile")?.classList.add("loaded");
  }
  document.addEventListener(
    "load",
    (event) => {
      if (event.target.matches?.(".tile-front")) loaded(event.target);
    },
    true,
  );
  for (const img of document.querySelectorAll(".tile-front")) {
    if (img.complete && img.naturalWidth) loaded(img);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-copy-label]") || button;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = "Copied";
    } catch {
      // Without https there is no clipboard: select it, so that the keys can copy.
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
    }
  });

  // Arrow keys turn the pictures' pages.
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    const link = rel && document.querySelector(`a.view-turn[rel="${rel}"]`);
    if (link) link.click();
  });
})();
