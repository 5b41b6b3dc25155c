/* The grid: more tiles as one scrolls, the place in the address, and their size. */
"use strict";

(() => {
  const grid = document.querySelector("[data-grid]");
  const tiles = document.querySelector("[data-tiles]");
  if (!grid || !tiles) return;
  const DENSITIES = { 1: [7, 5], 2: [10, 7], 3: [15, 9.5], 4: [20, 14], 5: [27, 22] };
  const AHEAD = 1600; // pixels below the window at which the next page is asked for
  const narrow = matchMedia("(max-width: 52rem)");
  const cells = tiles.getElementsByClassName("cell");

  // Size -----------------------------------------------------------------------

  const slider = document.querySelector("[data-density]");
  function resize(within = grid) {
    const [wide, small] = DENSITIES[slider?.value || 3];
    const row = narrow.matches ? small : wide;
    for (const img of within.querySelectorAll(".tile-front")) {
      const sizes = `${(row * img.getAttribute("width")) / img.getAttribute("height")}rem`;
      if (img.sizes !== sizes) img.sizes = sizes;
    }
  }
  slider?.addEventListener("input", () => {
    const held = scrollY > 0 ? hold() : () => {};
    for (const block of grid.matches("[data-tiles]") ? [grid] : grid.querySelectorAll(".tiles")) {
      block.className = block.className.replace(/tiles-d\d/, `tiles-d${slider.value}`);
    }
    document.cookie = `density=${slider.value}; path=/; max-age=31536000; samesite=lax`;
    resize();
    pend();
    held();
  });

  // Place ----------------------------------------------------------------------

  // The first tile, in reading order, that is not above the window.
  function topmost() {
    let low = 0;
    let high = cells.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // One that is hidden, in the trash, has no place: ask the next one.
      let asked = middle;
      while (asked < high && cells[asked].hidden) asked += 1;
      if (asked === high || cells[asked].getBoundingClientRect().bottom > 8) high = middle;
      else low = asked + 1;
    }
    while (cells[low]?.hidden) low += 1;
    return cells[low];
  }

  // Call before the layout changes; what it returns puts the same tile back.
  function hold() {
    const cell = topmost();
    const top = cell?.getBoundingClientRect().top;
    return () => cell && scrollBy({ top: cell.getBoundingClientRect().top - top, behavior: "instant" });
  }

  function remember() {
    if (!grid.dataset.keep || restoring) return;
    const cell = topmost();
    if (!cell) return;
    const url = new URL(location.href);
    const first = cell === cells[0] && !grid.querySelector("[data-newer]");
    if (url.searchParams.has("at") || !first) {
      url.searchParams.delete("cursor");
      url.searchParams.delete("newer");
      if (first) url.searchParams.delete("at");
      else url.searchParams.set("at", cell.dataset.id);
    }
    const place = { id: cell.dataset.id, top: cell.getBoundingClientRect().top };
    history.replaceState({ ...history.state, place }, "", url);
  }

  let restoring = null;
  function restore() {
    const place = history.state?.place;
    if (!grid.dataset.keep) return;
    history.scrollRestoration = "manual";
    if (!place) return;
    restoring = place;
    const stop = () => {
      restoring = null;
    };
    for (const name of ["wheel", "touchstart", "keydown", "pointerdown"]) {
      addEventListener(name, stop, { once: true, passive: true });
    }
    settle();
    setTimeout(stop, 3000);
  }

  function settle() {
    const cell = restoring && document.getElementById(`cell-${restoring.id}`);
    if (!cell) return;
    scrollBy({ top: cell.getBoundingClientRect().top - restoring.top, behavior: "instant" });
    // Short pages cannot scroll that far before the next one has come.
    if (Math.abs(cell.getBoundingClientRect().top - restoring.top) < 2) restoring = null;
  }

  let timer = 0;
  let above = scrollY;
  addEventListener(
    "scroll",
    () => {
      if (scrollY < above) up();
      above = scrollY;
      timer ||= setTimeout(() => {
        timer = 0;
        remember();
      }, 350);
    },
    { passive: true },
  );
  addEventListener("click", (event) => event.target.closest?.(".cell a") && remember(), true);

  // Pages ----------------------------------------------------------------------

  async function fetchTiles(link) {
    if (link.dataset.busy) return null;
    link.dataset.busy = "1";
    try {
      const response = await fetch(link.href, { headers: { "HX-Request": "true" } });
      if (response.redirected) location.reload(); // signed out meanwhile
      if (!response.ok) throw new Error(response.statusText);
      const template = document.createElement("template");
      template.innerHTML = await response.text();
      return template.content;
    } catch {
      // The link stays and can be clicked.
      link.textContent = "Try again";
      delete link.dataset.busy;
      return null;
    }
  }

  // The last row moves when the next page completes it: it is not shown before.
  function pend() {
    for (const cell of tiles.querySelectorAll(".pending")) cell.classList.remove("pending");
    if (!tiles.querySelector("[data-more]:not(.failed)")) return;
    const top = cells[cells.length - 1]?.offsetTop;
    let first = cells.length;
    while (first > 0 && cells[first - 1].offsetTop === top) first -= 1;
    if (first === 0) return;
    for (let i = first; i < cells.length; i += 1) cells[i].classList.add("pending");
  }

  async function more(link) {
    const fragment = await fetchTiles(link);
    if (!fragment) {
      if (!link.dataset.busy) link.closest(".more").classList.add("failed");
      pend();
      return;
    }
    const last = [...tiles.querySelectorAll(".day")].pop();
    const first = fragment.querySelector(".day");
    if (first && first.dataset.day === last?.dataset.day) first.remove();
    resize(fragment);
    link.closest(".more").replaceWith(fragment);
    pend();
    watch();
    settle();
  }

  async function newer(link) {
    const fragment = await fetchTiles(link);
    if (!fragment) return;
    const held = hold();
    const days = [...fragment.querySelectorAll(".day")];
    const first = grid.querySelector(".day");
    if (first && days.length && days[days.length - 1].dataset.day === first.dataset.day) first.remove();
    for (const block of fragment.querySelectorAll(".tiles")) {
      block.className = block.className.replace(/tiles-d\d/, `tiles-d${slider?.value || 3}`);
    }
    resize(fragment);
    link.closest(".more").replaceWith(fragment);
    held();
  }

  // Upwards only when somebody scrolls up: coming back must not load what is above.
  function up() {
    const link = grid.querySelector("[data-newer] a");
    if (link && !restoring && link.getBoundingClientRect().bottom > -600) newer(link);
  }

  const sight = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) more(entry.target.querySelector("a"));
    },
    { rootMargin: `0px 0px ${AHEAD}px` },
  );
  function watch() {
    sight.disconnect();
    const next = tiles.querySelector("[data-more]");
    if (next) sight.observe(next);
  }

  grid.addEventListener("click", (event) => {
    const link = event.target.closest(".more a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.closest("[data-newer]")) newer(link);
    else more(link);
  });

  // Sizes only differ from the page's when the cookie is not there.
  pend();
  restore();
  watch();
  addEventListener("resize", () => {
    resize();
    pend();
  });
  addEventListener("pagehide", remember);
})();
