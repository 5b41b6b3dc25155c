/* Files one after another, each with its progress; what is refused says why. */
"use strict";

(() => {
  const form = document.getElementById("upload-form");
  const input = document.getElementById("upload-files");
  const zone = document.getElementById("upload-drop");
  const list = document.getElementById("upload-list");
  const said = document.getElementById("upload-said");
  const most = Number(form.dataset.most);
  const waiting = [];
  let busy = false;
  let kept = 0;
  let refused = 0;

  function row(file) {
    const made = document.getElementById("upload-row").content.cloneNode(true).firstElementChild;
    made.querySelector(".upload-name").textContent = file.name;
    list.prepend(made);
    return made;
  }

  function state(made, text) {
    made.querySelector(".upload-state").textContent = text;
  }

  function refuse(made, reason) {
    refused += 1;
    made.classList.add("refused");
    made.querySelector(".upload-thumb").replaceChildren(
      document.getElementById("upload-refused").content.cloneNode(true),
    );
    made.querySelector(".upload-progress").remove();
    state(made, reason);
  }

  function keep(made, item) {
    kept += 1;
    made.classList.add("kept");
    made.querySelector(".upload-progress").remove();
    const img = new Image(56, 56);
    img.alt = "";
    img.src = item.thumbnail;
    made.querySelector(".upload-thumb").replaceChildren(img);
    const link = document.createElement("a");
    link.href = item.url;
    link.textContent = "In your gallery";
    made.querySelector(".upload-state").replaceChildren(link);
  }

  function sent(file, made) {
    return new Promise((resolve) => {
      const bar = made.querySelector(".upload-progress");
      const request = new XMLHttpRequest();
      const data = new FormData();
      data.append("files", file);
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
      request.responseType = "json";
      request.upload.addEventListener("progress", (event) => {
        if (!event.lengthComputable) return;
        bar.value = event.loaded / event.total;
        state(made, event.loaded < event.total ? `${Math.round(bar.value * 100)} %` : "Being checked");
      });
      request.addEventListener("loadend", () => resolve(request));
      bar.hidden = false;
      state(made, "Being sent");
      request.send(data);
    });
  }

  async function one({ file, made }) {
    if (file.size > most) {
      refuse(made, form.dataset.tooLarge);
      return;
    }
    const answer = await sent(file, made);
    const item = answer.response?.items?.[0];
    if (item?.url) keep(made, item);
    else if (item) refuse(made, item.reason);
    else if (answer.status === 413) refuse(made, form.dataset.tooLarge);
    else if (answer.status === 403) refuse(made, "You are signed out. Load the page again.");
    else refuse(made, "It did not arrive. Check the connection and add it again.");
  }

  async function work() {
    if (busy) return;
    busy = true;
    while (waiting.length) await one(waiting.shift());
    busy = false;
    said.textContent = `${kept} added, ${refused} refused.`;
  }

  function take(files) {
    for (const file of files) waiting.push({ file, made: row(file) });
    work();
  }

  function takeChosen() {
    take([...input.files]);
    input.value = "";
  }

  input.addEventListener("change", takeChosen);
  // Somebody was faster than this script.
  if (input.files.length) takeChosen();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    takeChosen();
  });
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    depth += 1;
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!holdsFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (!depth) zone.classList.remove("over");
  });
  document.addEventListener("dragover", (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take([...event.clipboardData.files]);
  });
  // A half-sent file would be lost by leaving.
  addEventListener("beforeunload", (event) => {
    if (busy) event.preventDefault();
  });
})();
