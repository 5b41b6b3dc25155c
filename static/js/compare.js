/* Compare: slider, side by side with one zoom for all, flicker. */
"use strict";

(() => {
  const stage = document.getElementById("comparison");
  if (!stage) return;
  const figures = [...stage.querySelectorAll(".compared")];
  const slider = stage.querySelector(".slider input");
  const buttons = [...document.querySelectorAll(".modes [data-mode]")];
  const FLICKER = 700;
  let timer = 0;
  let shown = 0;

  // Zoom and pan: what is done to one is done to all.
  const zooms = figures.map((figure) => {
    const img = figure.querySelector("img");
    return Panzoom(img, {
      canvas: true,
      minScale: 1,
      maxScale: 16,
      panOnlyWhenZoomed: true,
      pinchAndPan: true,
      cursor: "default",
      touchAction: "pan-y",
      handleStartEvent: (event) => {
        if (zooms && zooms[0].getScale() > 1) event.preventDefault();
      },
    });
  });

  function follow(leader, { scale, x, y }) {
    zooms.forEach((zoom, index) => {
      const closer = scale > 1.001;
      zoom.setOptions({ touchAction: closer ? "none" : "pan-y" });
      if (index === leader) return;
      zoom.zoom(scale, { silent: true, force: true, animate: false });
      zoom.pan(x, y, { silent: true, force: true, animate: false });
    });
  }

  function reset() {
    for (const zoom of zooms) zoom.reset({ animate: false, silent: true });
    follow(0, { scale: 1, x: 0, y: 0 });
  }

  figures.forEach((figure, index) => {
    const img = figure.querySelector("img");
    img.addEventListener("panzoomchange", (event) => follow(index, event.detail));
    figure.querySelector(".compared-frame").addEventListener(
      "wheel",
      (event) => zooms[index].zoomWithWheel(event, { step: 0.2 }),
      { passive: false },
    );
    figure.addEventListener("dblclick", (event) => {
      if (zooms[index].getScale() > 1.001) reset();
      else zooms[index].zoomToPoint(3, event);
    });
  });

  // Modes ----------------------------------------------------------------------------

  function show(index) {
    shown = (index + figures.length) % figures.length;
    figures.forEach((figure, n) => figure.classList.toggle("shown", n === shown));
  }

  function flicker() {
    clearInterval(timer);
    if (stage.dataset.mode !== "flicker") return;
    show(shown);
    // People who asked for less motion turn by hand.
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    timer = setInterval(() => show(shown + 1), FLICKER);
  }

  function choose(mode) {
    stage.dataset.mode = mode;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.mode === mode);
    reset();
    flicker();
  }

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.mode));

  function slide() {
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} per cent of the first picture`);
  }
  slider?.addEventListener("input", slide);
  if (slider) {
    slide();
    choose("slider");
  }

  // Keys: 1 to 3 choose, the arrows move the slider or turn the pictures, Esc leaves. ---

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input:not([type=range], [type=checkbox]), textarea, select")) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (/^[1-3]$/.test(event.key)) buttons[Number(event.key) - 1]?.click();
    else if (event.key === "Escape") {
      if (zooms[0].getScale() > 1.001) reset();
      else document.querySelector(".back").click();
    } else if (step && stage.dataset.mode === "slider" && event.target !== slider) {
      slider.value = Number(slider.value) + 2 * step;
      slide();
    } else if (step && stage.dataset.mode === "flicker") {
      clearInterval(timer);
      show(shown + step);
    } else return;
    event.preventDefault();
  });
})();
