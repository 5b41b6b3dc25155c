/* The viewer: keys, marks without leaving, zoom and pan, swipe, slideshow. Neighbours
   are swapped by htmx; what is here survives the swap or is set up again after it. */
"use strict";

(() => {
  const viewer = document.getElementById("viewer");
  const toasts = document.getElementById("view-toasts");
  if (!viewer) return;

  const view = () => document.getElementById("view");
  const find = (selector) => view()?.querySelector(selector);
  const csrf = () => find("[name=csrfmiddlewaretoken]")?.value || "";
  const remembered = {
    get(name, usual) {
      try {
        return localStorage.getItem(name) ?? usual;
      } catch {
        return usual; // storage may be forbidden
      }
    },
    set(name, value) {
      try {
        localStorage.setItem(name, value);
      } catch {
        /* then it holds for this page only */
      }
    },
  };

  // Where one came from: the grid is as one left it in the browser's own history. Of
  // the pictures looked at since there is one entry only, they replaced each other.
  const cameFrom = document.referrer && new URL(document.referrer);
  const viaGrid =
    cameFrom?.origin === location.origin &&
    history.length > 1 &&
    !/^\/gallery\/[0-9a-f-]{36}\//.test(cameFrom.pathname) &&
    !cameFrom.pathname.startsWith("/accounts/");

  function leave() {
    if (viaGrid) history.back();
    else location.assign(view().dataset.back);
  }

  function turn(rel) {
    const link = find(`a.view-turn[rel="${rel}"]`);
    link?.click();
    return Boolean(link);
  }

  // Messages, with undo ------------------------------------------------------------

  let lastUndo = "";

  function say(text, undo = "", back = "") {
    const note = document.createElement("p");
    note.className = "note";
    note.append(text);
    lastUndo = undo;
    if (undo) {
      const button = document.createElement("button");
      button.className = "button button-small push";
      button.type = "button";
      button.textContent = "Undo";
      button.dataset.undo = undo;
      button.dataset.page = back;
      note.append(button);
    }
    toasts.replaceChildren(note);
    clearTimeout(say.timer);
    say.timer = setTimeout(() => note.remove(), undo ? 12_000 : 4_000);
  }

  async function post(address, fields) {
    const response = await fetch(address, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRFToken": csrf() },
      body: fields,
    });
    // Signed out meanwhile: the sign-in page belongs in the window.
    if (response.redirected) location.reload();
    return { ok: response.ok, said: await response.json().catch(() => ({})) };
  }

  async function undo(token, page) {
    const fields = new FormData();
    fields.set("undo", token);
    const { ok, said } = await post(viewer.dataset.undo, fields);
    if (!ok) return say(Object.values(said.errors || {}).flat().join(" ") || "It could not be undone.");
    say(said.message);
    show(page || location.href);
  }

  toasts.addEventListener("click", (event) => {
    const button = event.target.closest("[data-undo]");
    if (button) undo(button.dataset.undo, button.dataset.page);
  });

  function show(address) {
    const place = new URL(address, location.href);
    const path = place.pathname + place.search;
    return htmx.ajax("GET", path, { target: "#view", swap: "outerHTML", replace: path });
  }

  // Marks: forms that work by themselves, sent from here so that the page stays -------

  async function mark(form, fields) {
    const action = fields.get("action");
    const id = view().dataset.id;
    const here = location.href;
    const { ok, said } = await post(viewer.dataset.mark, fields);
    if (!ok) return refuse(form, said);
    if (action === "trash") return gone(said, here);
    say(said.message, said.undo, here);
    if (view().dataset.id !== id) return;
    if (action === "rate") rated(fields.get("value"));
    else if (action.endsWith("favourite")) favoured(action === "favourite");
    else relabel();
  }

  function refuse(form, said) {
    const sentence = Object.values(said.errors || {}).flat().join(" ");
    const text = sentence || "That did not work. Try again.";
    const place = form.closest("#view-labels")?.querySelector("#labels-error");
    if (!place) return say(text);
    place.textContent = text;
    place.hidden = false;
  }

  function favoured(is) {
    view().dataset.favourite = is ? "1" : "";
    const heart = find(".heart");
    heart.setAttribute("aria-pressed", is);
    heart.value = is ? "unfavourite" : "favourite";
  }

  function rated(value) {
    view().dataset.rating = value;
    find(".stars").dataset.rating = value;
  }

  function relabel() {
    const place = document.getElementById("view-labels");
    htmx.ajax("GET", place.dataset.address, { target: "#view-labels", swap: "outerHTML" });
  }

  function gone(said, here) {
    say(said.message, said.undo, here);
    const next = find('a[rel="next"]') || find('a[rel="prev"]');
    if (next) return show(next.href);
    location.assign(view().dataset.back);
  }

  async function makePrivate(form, submitter) {
    const { ok } = await post(form.getAttribute("action"), new FormData(form, submitter));
    if (!ok) return say("That did not work. Try again.");
    show(location.href);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!viewer.contains(form)) return;
    if (form.matches("[data-mark-form]")) {
      event.preventDefault();
      const fields = new FormData(form, event.submitter);
      // The star that it has already takes the rating away.
      const same = form.matches(".stars") && view().dataset.rating === fields.get("value");
      if (same) fields.set("value", "0");
      mark(form, fields);
    } else if (form.matches("[data-private-form]")) {
      event.preventDefault();
      makePrivate(form, event.submitter);
    }
  });

  function press(selector) {
    const button = find(selector);
    if (button) mark(button.form, new FormData(button.form, button));
  }

  function rate(value) {
    const form = find(".stars");
    if (!form) return;
    const fields = new FormData(form);
    fields.set("value", value);
    mark(form, fields);
  }

  // Zoom and pan ---------------------------------------------------------------------

  const CLOSEST = 16;
  let zoom = null;

  function scaleOfPixels(img) {
    const whole = img.naturalWidth / img.clientWidth;
    return whole > 1.05 ? Math.min(whole, CLOSEST) : 2;
  }

  function setUpZoom() {
    const img = find("[data-zoom]");
    zoom?.destroy();
    zoom = null;
    if (!img) return;
    const made = Panzoom(img, {
      canvas: true,
      minScale: 1,
      maxScale: CLOSEST,
      panOnlyWhenZoomed: true,
      pinchAndPan: true,
      cursor: "default",
      // One finger scrolls a phone's page and swipes until the picture is closer.
      touchAction: "pan-y",
      duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 160,
      handleStartEvent: (event) => {
        if (made?.getScale() > 1) event.preventDefault();
      },
    });
    zoom = made;
    img.addEventListener("panzoomchange", (event) => {
      const closer = event.detail.scale > 1.001;
      if (closer === img.classList.contains("closer")) return;
      img.classList.toggle("closer", closer);
      made.setOptions({ touchAction: closer ? "none" : "pan-y", cursor: closer ? "grab" : "default" });
      if (!closer) made.reset({ animate: false });
    });
    const canvas = img.parentElement;
    canvas.addEventListener(
      "wheel",
      (event) => {
        // Sideways wheels turn no page by accident, they pan.
        made.zoomWithWheel(event, { step: 0.2 });
      },
      { passive: false },
    );
  }

  function zoomAt(point) {
    const img = find("[data-zoom]");
    if (!zoom || !img) return;
    if (zoom.getScale() > 1.001) zoom.reset();
    else if (point) zoom.zoomToPoint(scaleOfPixels(img), point, { animate: true });
    else zoom.zoom(scaleOfPixels(img), { animate: true });
  }

  // Fingers: double-tap and swipe. Panzoom has pinch and drag.
  let start = null;
  let tap = null;
  const fingers = new Set();

  viewer.addEventListener(
    "pointerdown",
    (event) => {
      if (!event.target.closest(".view-canvas")) return;
      fingers.add(event.pointerId);
      start = fingers.size === 1 ? { x: event.clientX, y: event.clientY, at: event.timeStamp } : null;
    },
    true,
  );
  viewer.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId), true);
  addEventListener(
    "pointerup",
    (event) => {
      fingers.delete(event.pointerId);
      if (!start || !view()?.contains(event.target)) return;
      const dx = event.clientX - start.x;
      const dy = event.clientY - start.y;
      const quick = event.timeStamp - start.at < 700;
      const near = Math.hypot(dx, dy) < 12;
      start = null;
      if (near && event.target.matches("[data-zoom]")) return tapped(event);
      const zoomed = zoom && zoom.getScale() > 1.001;
      if (event.pointerType === "mouse" || zoomed || !quick) return;
      if (Math.abs(dx) > 50 && Math.abs(dx) > 2 * Math.abs(dy)) turn(dx < 0 ? "next" : "prev");
    },
    true,
  );

  function tapped(event) {
    const again = tap && event.timeStamp - tap.at < 320;
    const close = again && Math.hypot(event.clientX - tap.x, event.clientY - tap.y) < 30;
    tap = close ? null : { x: event.clientX, y: event.clientY, at: event.timeStamp };
    if (close) zoomAt({ clientX: event.clientX, clientY: event.clientY });
  }

  // Slideshow ------------------------------------------------------------------------

  let timer = 0;
  const playing = () => viewer.classList.contains("playing");
  const seconds = () => Number(remembered.get("slideshow-seconds", "5")) || 5;

  function slideshow(on) {
    viewer.classList.toggle("playing", on);
    document.documentElement.classList.toggle("playing", on);
    const button = find('[data-do="slideshow"]');
    button?.setAttribute("aria-pressed", on);
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (!playing()) return;
    const film = find("video.view-media");
    if (film) {
      film.loop = false;
      film.muted = true;
      film.addEventListener("ended", next, { once: true });
      film.play().catch(() => setTimeout(next, seconds() * 1000));
      return;
    }
    timer = setTimeout(next, seconds() * 1000);
  }

  function next() {
    if (!playing() || turn("next")) return;
    slideshow(false);
    say("That was the last picture.");
  }

  // Details --------------------------------------------------------------------------

  const narrow = () => matchMedia("(max-width: 62rem)").matches;

  function info() {
    if (narrow()) return document.getElementById("view-side").scrollIntoView({ behavior: "smooth" });
    const hidden = viewer.classList.toggle("no-info");
    remembered.set("viewer-info", hidden ? "off" : "on");
  }

  const DEEDS = { zoom: () => zoomAt(), slideshow: () => slideshow(!playing()), info };

  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) return DEEDS[button.dataset.do]();
    const back = event.target.closest("[data-back-link]");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (back && plain && viaGrid) {
      event.preventDefault();
      history.back();
    }
  });
  viewer.addEventListener("change", (event) => {
    if (!event.target.matches("[data-seconds]")) return;
    remembered.set("slideshow-seconds", event.target.value);
    schedule();
  });

  // Keys -----------------------------------------------------------------------------

  function escape() {
    if (document.querySelector("[popover]:popover-open")) return;
    if (playing()) slideshow(false);
    else if (zoom && zoom.getScale() > 1.001) zoom.reset();
    else leave();
  }

  const KEYS = {
    f: () => press(".heart"),
    z: () => zoomAt(),
    s: () => slideshow(!playing()),
    i: info,
    e: () => find("[data-remix]")?.click(),
    a: () => find("[data-input]")?.click(),
    u: () => lastUndo && toasts.querySelector("[data-undo]")?.click(),
    "+": () => zoom?.zoomIn(),
    "=": () => zoom?.zoomIn(),
    "-": () => zoom?.zoomOut(),
    "?": () => document.getElementById("keys-dialog").togglePopover(),
    delete: () => press('[data-mark-form]:has([value="trash"]) button'),
    escape,
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    if (event.target.closest("input, textarea, select, [contenteditable], video, audio")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if (/^[0-5]$/.test(key)) return rate(key);
    const act = KEYS[key];
    if (!act || (event.shiftKey && key !== "?" && key !== "+")) return;
    // Escape closes an open popover by itself; everything else is ours.
    if (key !== "escape") event.preventDefault();
    act();
  });

  // After each swap ------------------------------------------------------------------

  const fetched = new Set();

  function preload() {
    for (const link of view().querySelectorAll("a.view-turn")) {
      if (!link.dataset.file || fetched.has(link.dataset.file)) continue;
      fetched.add(link.dataset.file);
      new Image().src = link.dataset.file;
    }
  }

  function copies() {
    for (const dd of view().querySelectorAll(".facts-copied dd")) {
      const label = dd.previousElementSibling.textContent;
      dd.id ||= `fact-${[...dd.parentElement.children].indexOf(dd)}`;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.title = `Copy ${label}`;
      button.setAttribute("aria-label", `Copy ${label}`);
      button.dataset.value = dd.textContent.trim();
      button.append(view().querySelector("[data-copy] .icon, .icon").cloneNode(true));
      button.querySelector("use").setAttribute("href", `${iconFile()}#copy`);
      dd.append(button);
    }
  }

  const iconFile = () => document.querySelector(".icon use").getAttribute("href").split("#")[0];

  viewer.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.value);
      say("Copied.");
    } catch {
      // Without https there is no clipboard: select it, so that the keys can copy.
      getSelection().selectAllChildren(button.parentElement);
    }
  });

  let turned = "";
  viewer.addEventListener("click", (event) => {
    turned = event.target.closest("a.view-turn") === document.activeElement ? document.activeElement.rel : "";
  });

  function setUp() {
    setUpZoom();
    preload();
    copies();
    const chosen = find("[data-seconds]");
    if (chosen) chosen.value = String(seconds());
    find('[data-do="slideshow"]')?.setAttribute("aria-pressed", playing());
    schedule();
  }

  document.addEventListener("htmx:after:swap", () => {
    if (view() && view() !== setUp.done) {
      setUp.done = view();
      setUp();
      if (turned) find(`a.view-turn[rel="${turned}"]`)?.focus();
    }
  });

  if (remembered.get("viewer-info", "on") === "off") viewer.classList.add("no-info");
  setUp.done = view();
  setUp();
})();
