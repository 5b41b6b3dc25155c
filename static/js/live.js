/* Cards of jobs, by socket and by poll: an older one never replaces a newer one. */
"use strict";

(() => {
  const shown = (id) => document.getElementById(id);

  function isOlder(card) {
    const current = card && shown(card.id);
    return Boolean(current) && Number(current.dataset.sequence) > Number(card.dataset.sequence);
  }

  function parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.querySelector("[data-sequence]");
  }

  // The socket: newer card, in place; unknown card, into the list of active ones.
  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    const { message } = event.detail;
    let parsed;
    try {
      parsed = JSON.parse(message.data);
    } catch {
      return;
    }
    const card = parse(parsed.content || "");
    if (!card) return;
    if (shown(card.id)) {
      if (isOlder(card)) event.preventDefault();
      return;
    }
    const list = shown("live-jobs");
    const fits = list && (!list.dataset.workflow || list.dataset.workflow === card.dataset.workflow);
    if (!fits || !("active" in card.dataset)) {
      event.preventDefault();
      return;
    }
    // Newest first, as the server lists them.
    const older = [...list.querySelectorAll(":scope > [data-created]")].find(
      (other) => other.dataset.created < card.dataset.created,
    );
    parsed.target = older ? `#${older.id}` : "#live-jobs";
    parsed.swap = older ? "beforebegin" : "beforeend";
    message.data = JSON.stringify(parsed);
  });

  // Polls and answers to forms: drop what is older, or on the page already.
  document.addEventListener("htmx:before:swap", (event) => {
    const { tasks } = event.detail;
    for (const task of [...tasks]) {
      for (const card of task.fragment?.querySelectorAll("[data-sequence]") || []) {
        const inPlace = task.target?.id === card.id;
        if (inPlace ? isOlder(card) : shown(card.id)) card.remove();
      }
      if (task.target?.dataset?.sequence && !task.fragment.querySelector("[data-sequence]")) {
        tasks.splice(tasks.indexOf(task), 1);
      }
    }
  });

  // Signed out meanwhile: the sign-in page belongs in the window, not in a card.
  document.addEventListener("htmx:before:response", (event) => {
    const { raw } = event.detail.ctx.response;
    if (!raw.redirected || !new URL(raw.url).pathname.startsWith("/accounts/")) return;
    event.preventDefault();
    location.reload();
  });

  // A page that the browser kept for "back": htmx closed its socket when it was left, or
  // no browser would keep it. A new element has a new one.
  addEventListener("pageshow", (event) => {
    const old = document.querySelector("[hx-ws\\:connect]");
    if (!event.persisted || !old) return;
    const fresh = old.cloneNode();
    old.replaceWith(fresh);
    htmx.process(fresh);
  });

  // A preview is kept for a while only. Its place stays, without the sign of a picture
  // that is broken; the next one comes as another picture.
  function hideBroken() {
    for (const image of document.querySelectorAll(".job-preview img")) {
      image.hidden = image.complete && !image.naturalWidth;
    }
  }
  hideBroken();
  document.addEventListener("error", hideBroken, true);
  document.addEventListener("htmx:after:swap", hideBroken);

  // Elapsed seconds run on between two messages.
  function tick() {
    for (const time of document.querySelectorAll("time[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
      const minutes = Math.floor(seconds / 60);
      time.textContent = minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
    }
  }
  tick();
  setInterval(tick, 1000);
  document.addEventListener("htmx:after:swap", tick);
})();
