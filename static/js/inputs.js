/* Files of a form: drop, paste, pick from the gallery, paint a mask. */
"use strict";

(() => {
  const find = (root, selector) => [...root.querySelectorAll(selector)];
  const seen = new WeakSet();
  const form = () => document.getElementById("generate-form");
  const field = (name) => form()?.querySelector(`[data-parameter="${CSS.escape(name)}"]`);
  const MEDIA = { video: "video", audio: "audio" };

  // The look at what is chosen; the page's own of the file before it comes back.
  function preview(zone, address, alt) {
    const tag = MEDIA[zone.dataset.kind] || "img";
    let shown = zone.querySelector(".drop-preview.chosen");
    const kept = zone.querySelector(".drop-preview:not(.chosen)");
    if (kept) kept.hidden = Boolean(address);
    if (!address) {
      shown?.remove();
      zone.classList.toggle("filled", Boolean(kept));
      return;
    }
    if (!shown) {
      shown = document.createElement(tag);
      shown.className = "drop-preview chosen";
      if (tag === "img") shown.alt = alt;
      else shown.controls = true;
      zone.prepend(shown);
    }
    shown.src = address;
    if (tag === "img") shown.alt = alt;
    zone.classList.add("filled");
  }

  // Another picture: what was painted over the one before is no mask of it.
  function forgetMasks(zone) {
    const name = zone.closest("[data-parameter]").dataset.parameter;
    for (const mask of find(form(), `.drop[data-paints="${CSS.escape(name)}"]`)) {
      const input = mask.querySelector('input[type="file"]');
      if (!input.files.length) continue;
      input.value = "";
      preview(mask, "");
    }
  }

  function picked(zone, id) {
    const input = zone.querySelector("[data-picked]");
    if (input) input.value = id;
  }

  function put(zone, files) {
    const input = zone.querySelector('input[type="file"]');
    const made = new DataTransfer();
    made.items.add(files[0]);
    input.files = made.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function drop(zone) {
    const input = zone.querySelector('input[type="file"]');
    if (!input || seen.has(input)) return;
    seen.add(input);
    input.addEventListener("change", () => {
      const file = input.files[0];
      picked(zone, "");
      forgetMasks(zone);
      preview(zone, file && URL.createObjectURL(file), file && `Preview of ${file.name}`);
    });
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      zone.addEventListener(name, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop" && event.dataTransfer.files.length) put(zone, event.dataTransfer.files);
      });
    }
  }

  const enhance = () => find(document, ".generate-form .drop").forEach(drop);
  enhance();
  document.addEventListener("htmx:after:swap", enhance);

  // A pasted picture goes where the focus is, else into the first empty field.
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files || [])].filter((f) => f.type.startsWith("image/"));
    const zones = form() ? find(form(), '.drop[data-kind="image"]') : [];
    if (!files.length || !zones.length) return;
    const here = event.target.closest?.('.drop[data-kind="image"]');
    event.preventDefault();
    put(here || zones.find((zone) => !zone.matches(".filled")) || zones[0], files);
  });

  // From the gallery -----------------------------------------------------------------

  const picker = document.getElementById("picker");
  document.addEventListener("click", (event) => {
    event.target.closest("[data-close]")?.closest("dialog").close();
    const opener = event.target.closest("[data-pick-for]");
    if (opener) {
      picker.dataset.field = opener.dataset.pickFor;
      picker.showModal();
    }
    const tile = event.target.closest("[data-picture]");
    const zone = tile && field(picker.dataset.field)?.querySelector(".drop");
    if (!zone) return;
    zone.querySelector('input[type="file"]').value = "";
    picked(zone, tile.dataset.picture);
    forgetMasks(zone);
    preview(zone, tile.dataset.large, tile.dataset.name);
    zone.dispatchEvent(new Event("change", { bubbles: true }));
    picker.close();
  });

  // A mask ---------------------------------------------------------------------------

  const painter = document.getElementById("painter");
  const canvas = document.getElementById("painter-canvas");
  const picture = document.getElementById("painter-picture");
  const brush = document.getElementById("painter-size");
  const eraser = document.getElementById("painter-erase");
  if (!painter) return;
  const pen = canvas.getContext("2d");
  let target = null;
  let last = null;

  async function open(button) {
    target = button.closest(".drop");
    const source = field(target.dataset.paints)?.querySelector(".drop-preview:not([hidden])");
    if (!source) {
      field(target.dataset.paints)?.querySelector('input[type="file"]')?.focus();
      field(target.dataset.paints)?.scrollIntoView({ behavior: "smooth", block: "center" });
      return;
    }
    picture.src = source.src;
    await picture.decode();
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    if (canvas.dataset.of !== `${target.dataset.paints} ${source.src}`) {
      canvas.dataset.of = `${target.dataset.paints} ${source.src}`;
      [canvas.width, canvas.height] = [width, height];
    }
    painter.showModal();
  }

  function paint(event) {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    pen.globalCompositeOperation =
      eraser.getAttribute("aria-pressed") === "true" ? "destination-out" : "source-over";
    pen.strokeStyle = "#fff";
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = Number(brush.value) * scale;
    pen.beginPath();
    pen.moveTo(...(last || at));
    pen.lineTo(...at);
    pen.stroke();
    last = at;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    paint(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) {
      for (const point of event.getCoalescedEvents?.() || [event]) paint(point);
    }
  });
  eraser.addEventListener("click", () => {
    eraser.setAttribute("aria-pressed", String(eraser.getAttribute("aria-pressed") !== "true"));
  });
  document.getElementById("painter-clear").addEventListener("click", () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
  });
  document.getElementById("painter-done").addEventListener("click", () => {
    // White where it is painted, black elsewhere.
    const flat = document.createElement("canvas");
    [flat.width, flat.height] = [canvas.width, canvas.height];
    const ink = flat.getContext("2d");
    ink.fillRect(0, 0, flat.width, flat.height);
    ink.drawImage(canvas, 0, 0);
    flat.toBlob((blob) => {
      put(target, [new File([blob], "mask.png", { type: "image/png" })]);
      painter.close();
    }, "image/png");
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-paint]");
    if (button) open(button);
  });
})();
