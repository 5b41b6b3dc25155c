/* In the head, before the first paint. Hold a blurred picture, or B for all of them, to
   see it. The panic key puts a blank page in the place of every open page; none of them
   is shown again, by "back" neither, before one goes on from there. */
"use strict";

(() => {
  const root = document.documentElement;
  const KEY = "hidden-away";
  const BLANK = "/blank/";
  const TWICE = 450;
  const HOLD = 220;

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden
    }
  }

  function hide() {
    root.classList.add("hidden-away");
    document.title = "Blank";
  }

  function away() {
    hide();
    location.replace(BLANK);
  }

  function panic() {
    hide();
    try {
      localStorage.setItem(KEY, location.pathname + location.search);
    } catch {
      /* then this window is hidden alone */
    }
    location.replace(BLANK);
  }

  if (stored() !== null) away();
  // Other windows of the same browser follow.
  addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue !== null) away();
  });
  // What the browser keeps of a page for "back" is kept hidden.
  addEventListener("pagehide", () => root.classList.add("hidden-away"));
  addEventListener("pageshow", () => {
    if (stored() !== null) away();
    else root.classList.remove("hidden-away");
  });

  // Across pages: the first Escape may lead to another one.
  function escapedBefore() {
    try {
      const before = Number(sessionStorage.getItem("escaped"));
      sessionStorage.setItem("escaped", String(Date.now()));
      return Date.now() - before < TWICE;
    } catch {
      return false;
    }
  }

  // Twice means with nothing between: who closes, selects and closes again goes on.
  function forget() {
    try {
      sessionStorage.removeItem("escaped");
    } catch {
      /* then nothing was stored */
    }
  }
  addEventListener("pointerdown", forget, true);

  addEventListener(
    "keydown",
    (event) => {
      const chosen = root.dataset.panic;
      if (!chosen || event.repeat) return;
      if (event.key !== "Escape") forget();
      if (chosen === "escape" ? event.key === "Escape" && escapedBefore() : event.code === chosen) {
        event.preventDefault();
        event.stopImmediatePropagation();
        panic();
      }
    },
    true,
  );

  // Hold to look ---------------------------------------------------------------------

  const BLURRED = ".tile, .view-canvas, .compared-frame, .job-images, .job-preview, .job-row, .share-cover, .album-cover";
  let held = null;
  let timer = 0;
  let looked = false;

  const isBlurred = (place) => place && ("blur" in root.dataset || place.closest(".veiled"));

  function release() {
    clearTimeout(timer);
    held?.classList.remove("revealed");
    held = null;
  }

  addEventListener(
    "pointerdown",
    (event) => {
      const place = event.target.closest?.(BLURRED);
      looked = false;
      if (!isBlurred(place)) return;
      // A finger that looks does not choose as well; "Select" does.
      if (event.pointerType === "touch" && place.matches(".tile")) event.stopPropagation();
      held = place;
      timer = setTimeout(() => {
        looked = true;
        held?.classList.add("revealed");
      }, HOLD);
    },
    true,
  );
  for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, release, true);
  // To have looked is not to have followed the link, and no reason for a menu.
  for (const name of ["click", "contextmenu", "dragstart"]) {
    addEventListener(
      name,
      (event) => {
        const place = event.target.closest?.(BLURRED);
        const hindered = name === "click" ? looked : held;
        if (!hindered || !isBlurred(place)) return;
        event.preventDefault();
        event.stopPropagation();
        if (name === "click") looked = false;
      },
      true,
    );
  }

  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "b" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!typing(event.target)) root.classList.add("revealing");
  });
  addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() === "b") root.classList.remove("revealing");
  });
  addEventListener("blur", () => root.classList.remove("revealing"));
})();
