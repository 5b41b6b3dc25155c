/* The form of a template: sliders, shapes, seeds and a look at the upload. */
"use strict";

(() => {
  const find = (root, selector) => [...root.querySelectorAll(selector)];

  // A slider beside a number that has both limits.
  function pair(box) {
    const number = box.querySelector('input[type="number"]');
    if (!number || !number.min || !number.max || box.querySelector('[type="range"]')) return;
    const range = document.createElement("input");
    range.type = "range";
    for (const name of ["min", "max", "step"]) range[name] = number.getAttribute(name) || "";
    range.value = number.value;
    range.setAttribute("aria-label", `${box.dataset.label}, slider`);
    range.tabIndex = -1; // the number beside it takes the keys
    range.addEventListener("input", () => {
      number.value = range.value;
      number.dispatchEvent(new Event("change", { bubbles: true }));
    });
    number.addEventListener("input", () => (range.value = number.value));
    number.addEventListener("change", () => (range.value = number.value));
    box.prepend(range);
  }

  const RATIOS = [["1:1", 1], ["4:3", 4 / 3], ["3:2", 3 / 2], ["16:9", 16 / 9]];

  function shapes(form) {
    const width = form.querySelector('input[name="width"]');
    const height = form.querySelector('input[name="height"]');
    const box = width?.closest(".group-fields");
    if (!width || !height || !box || box.querySelector(".shapes")) return;
    const row = document.createElement("div");
    row.className = "shapes";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Shape");

    const set = (w, h) => {
      [width.value, height.value] = [w, h];
      for (const input of [width, height]) input.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const snap = (value, input) => {
      const step = Number(input.step) || 8;
      const low = Number(input.min) || step;
      const high = Number(input.max) || 8192;
      return Math.min(high, Math.max(low, Math.round(value / step) * step));
    };
    const button = (text, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "shape";
      made.textContent = text;
      made.addEventListener("click", act);
      row.append(made);
      return made;
    };

    const made = RATIOS.map(([name, ratio]) => {
      const act = () => {
        // The same number of pixels in another shape; upright stays upright.
        const area = Number(width.value) * Number(height.value) || 512 * 512;
        const upright = Number(height.value) > Number(width.value);
        const long = Math.sqrt(area * ratio);
        const [w, h] = upright ? [long / ratio, long] : [long, long / ratio];
        set(snap(w, width), snap(h, height));
      };
      return [button(name, act), ratio];
    });
    button("⇄ Swap", () => set(height.value, width.value)).title = "Swap width and height";

    const mark = () => {
      const [w, h] = [Number(width.value), Number(height.value)];
      const ratio = Math.max(w, h) / Math.min(w, h);
      for (const [each, wanted] of made) {
        each.setAttribute("aria-pressed", String(Math.abs(ratio - wanted) < 0.03));
      }
    };
    for (const input of [width, height]) input.addEventListener("change", mark);
    mark();
    box.append(row);
  }

  function seed(box) {
    const input = box.querySelector("input");
    if (!input || box.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    const show = () => {
      button.textContent = input.value ? "Random" : "Pin one";
      button.title = input.value ? "A new seed each time" : "Fill in a seed that stays";
    };
    button.addEventListener("click", () => {
      const random = crypto.getRandomValues(new Uint32Array(2));
      input.value = input.value ? "" : String((random[0] & 0x1fffff) * 2 ** 32 + random[1]);
      show();
    });
    input.addEventListener("input", show);
    show();
    box.append(button);
  }

  function drop(zone) {
    const input = zone.querySelector('input[type="file"]');
    if (!input || zone.dataset.ready) return;
    zone.dataset.ready = "";
    const look = () => {
      const file = input.files[0];
      zone.querySelector(".drop-preview")?.remove();
      zone.classList.toggle("filled", Boolean(file));
      if (!file) return;
      const img = document.createElement("img");
      img.className = "drop-preview";
      img.alt = `Preview of ${file.name}`;
      img.src = URL.createObjectURL(file);
      img.addEventListener("load", () => URL.revokeObjectURL(img.src), { once: true });
      zone.prepend(img);
    };
    input.addEventListener("change", look);
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      zone.addEventListener(name, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop" && event.dataTransfer.files.length) {
          input.files = event.dataTransfer.files;
          look();
        }
      });
    }
  }

  function enhance() {
    for (const form of find(document, ".generate-form")) {
      find(form, ".paired").forEach(pair);
      find(form, ".field-seed .joined").forEach(seed);
      find(form, ".drop").forEach(drop);
      shapes(form);
    }
  }

  enhance();
  document.addEventListener("htmx:after:swap", enhance);

  // Ctrl+Enter in a field generates.
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.(".generate-form");
    if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  // Queued: show the new job where it is below the form. Wrong: go to where.
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (!ctx.response || !ctx.sourceElement.matches?.(".generate-form")) return;
    if (ctx.response.status === 200) {
      const first = document.querySelector("#live-jobs > :first-child");
      if (matchMedia("(max-width: 64rem)").matches) first?.scrollIntoView({ behavior: "smooth" });
    } else {
      document.querySelector('.generate-form [aria-invalid="true"]')?.focus();
    }
  });
})();
