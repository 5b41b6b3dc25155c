/* In the head, before the first paint: the theme that this person chose here. */
"use strict";

(() => {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];

  function stored() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.bsTheme = theme;
    else delete root.dataset.bsTheme;
    for (const label of document.querySelectorAll("[data-theme-name]")) {
      label.textContent = { auto: "System", light: "Light", dark: "Dark" }[theme] || "System";
    }
  }

  apply(stored());
  root.classList.add("js");
  document.addEventListener("DOMContentLoaded", () => apply(stored()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = order[(order.indexOf(stored()) + 1) % order.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      /* then it holds for this page only */
    }
    apply(next);
  });
})();
