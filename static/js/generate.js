/* The form of a template: sliders, shapes, seeds, and fields that depend on others. */
"use strict";

(() => {
  const find = (root, selector) => [...root.querySelectorAll(selector)];
  const changed = (input) => input.dispatchEvent(new Event("change", { bubbles: true }));
  // Swapped-in forms keep their elements: each gets its listeners once.
  const seen = new WeakSet();
  const isNew = (element) => !seen.has(element) && Boolean(seen.add(element));

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
      changed(number);
    });
    for (const name of ["input", "change"]) {
      number.addEventListener(name, () => (range.value = number.value));
    }
    box.prepend(range);
  }

  const RATIOS = [["1:1", 1], ["4:3", 4 / 3], ["3:2", 3 / 2], ["16:9", 16 / 9]];

  function snap(value, input) {
    const step = Number(input.step) || 8;
    const low = Number(input.min) || 0;
    const high = Number(input.max) || 16384;
    const count = Math.round((Math.min(high, Math.max(low, value)) - low) / step);
    const found = low + count * step;
    return Math.max(found > high ? found - step : found, low || step);
  }

  // Aspects and a swap below two fields of a size.
  function shapes(box, width, height) {
    if (!box || !width || !height || box.querySelector(".shapes")) return;
    const row = document.createElement("div");
    row.className = "shapes";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Shape");
    const set = (w, h) => {
      [width.value, height.value] = [w, h];
      for (const input of [width, height]) changed(input);
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

  // Random has no number; who types one wants it to stay; fixed needs one.
  function seed(box) {
    const [input, mode] = [box.querySelector("input"), box.querySelector("select")];
    if (!input || !mode || !isNew(input)) return;
    const draw = () => {
      const random = crypto.getRandomValues(new Uint32Array(2));
      return String((random[0] & 0x1fffff) * 2 ** 32 + random[1]);
    };
    mode.addEventListener("change", () => {
      if (mode.value === "random") input.value = "";
      else if (!input.value) input.value = draw();
    });
    input.addEventListener("input", () => {
      if (!input.value) mode.value = "random";
      else if (mode.value === "random") mode.value = "fixed";
    });
  }

  // Fields that are shown only while another has one of some values.
  function valueOf(form, name) {
    const box = form.querySelector(`[data-parameter="${CSS.escape(name)}"]`);
    if (!box || box.hidden) return undefined;
    const input = form.elements[name];
    return input?.type === "checkbox" ? input.checked : input?.value;
  }

  function same(value, wanted) {
    if (typeof wanted === "boolean" || typeof value === "boolean") return value === wanted;
    return value === String(wanted) || (value !== "" && Number(value) === wanted);
  }

  function show(form) {
    const dependent = find(form, "[data-shown-if]");
    // As often as fields can depend on each other in a row.
    for (let round = 0; round < dependent.length; round += 1) {
      let calm = true;
      for (const box of dependent) {
        const wanted = JSON.parse(box.dataset.shownIf);
        const value = valueOf(form, wanted.parameter);
        const hidden = value === undefined || !wanted.is.some((one) => same(value, one));
        if (box.hidden !== hidden) calm = false;
        box.hidden = hidden;
      }
      if (calm) return;
    }
  }

  // Of a choice, the values of a sweep are pressed instead of typed.
  function sweepChoices(row, form) {
    const [select, typed] = [row.querySelector("select"), row.querySelector("textarea")];
    const draw = () => {
      row.querySelector(".shapes")?.remove();
      const field = select.value && form.querySelector(
        `[data-parameter="${CSS.escape(select.value)}"] select:not([name$="-mode"])`,
      );
      if (!field) return;
      const box = document.createElement("div");
      box.className = "shapes sweep-choices";
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "Values");
      const lines = () => {
        const separator = typed.value.trimStart().includes("\n") ? "\n" : /[,;]/;
        return typed.value.split(separator).map((line) => line.trim()).filter(Boolean);
      };
      for (const option of field.options) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "shape";
        button.textContent = option.text;
        button.setAttribute("aria-pressed", String(lines().includes(option.value)));
        button.addEventListener("click", () => {
          const now = lines();
          const there = now.includes(option.value);
          const kept = there ? now.filter((line) => line !== option.value) : [...now, option.value];
          typed.value = kept.map((line) => `${line}\n`).join("");
          button.setAttribute("aria-pressed", String(!there));
          changed(typed);
        });
        box.append(button);
      }
      row.append(box);
    };
    if (isNew(select)) {
      select.addEventListener("change", () => {
        typed.value = "";
        draw();
      });
    }
    draw();
  }

  function enhance() {
    for (const form of find(document, ".generate-form")) {
      find(form, ".paired").forEach(pair);
      find(form, "[data-seed]").forEach(seed);
      for (const box of find(form, "[data-size]")) shapes(box, ...find(box, "input"));
      const width = form.querySelector('input[name="width"]');
      shapes(width?.closest(".group-fields"), width, form.querySelector('input[name="height"]'));
      for (const row of find(form, ".sweep")) sweepChoices(row, form);
      show(form);
      if (!isNew(form)) continue;
      form.addEventListener("input", () => show(form));
      form.addEventListener("change", () => show(form));
    }
  }

  enhance();
  document.addEventListener("htmx:after:swap", enhance);

  // Ctrl+Enter in a field generates.
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.(".generate-form");
    if (!form || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });

  // Queued: show the new job where it is below the form. Wrong: go to where.
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (!ctx.response || !ctx.sourceElement.closest?.(".generate-form")) return;
    if (ctx.sourceElement.id === "cost") return;
    htmx.trigger("#cost", "recount");
    if (ctx.response.status === 200 && ctx.sourceElement.matches(".generate-form")) {
      const first = document.querySelector("#live-jobs > :first-child");
      if (matchMedia("(max-width: 64rem)").matches) first?.scrollIntoView({ behavior: "smooth" });
    } else if (ctx.response.status >= 400) {
      document.querySelector('.generate-form [aria-invalid="true"]')?.focus();
    }
  });
})();
