/* The bell: a badge in the title of a hidden tab, and the browser's notifications for
   who asked for them. Nothing is asked for but by a click. */
"use strict";

(() => {
  const title = document.title;
  let missed = 0;

  const can = () => "Notification" in window && Notification.permission === "granted";
  const wanted = () => can() && localStorage.getItem("lifeos-notify") !== "off";

  function badge() {
    document.title = missed ? `(${missed}) ${title}` : title;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    missed = 0;
    badge();
  });

  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    let told;
    try {
      told = JSON.parse(event.detail.message.data);
    } catch {
      return;
    }
    if (!told.notice || !document.hidden) return;
    missed += 1;
    badge();
    if (!wanted()) return;
    // The same notice in several tabs is one notification.
    const shown = new Notification(told.notice.title, {
      body: told.notice.text,
      tag: `lifeos-${told.notice.id}`,
      icon: document.querySelector('link[rel="icon"]')?.href,
    });
    shown.addEventListener("click", () => {
      window.focus();
      location.assign(told.notice.url);
      shown.close();
    });
  });

  // The page of the notices: switch it on and off.
  const box = document.querySelector("[data-notify]");
  if (!box) return;
  const state = box.querySelector("[data-notify-state]");
  const button = box.querySelector("[data-notify-ask]");
  const label = button.lastChild;

  function show() {
    box.hidden = false;
    if (!("Notification" in window) || !window.isSecureContext) {
      state.textContent = "This browser can notify you only over https.";
      button.hidden = true;
    } else if (Notification.permission === "denied") {
      state.textContent = "This browser does not let this page notify you. Change that in its settings.";
      button.hidden = true;
    } else {
      state.textContent = wanted()
        ? "This browser notifies you while a page is open in the background."
        : "While a page is open in the background, this browser can tell you what is done.";
      label.textContent = wanted() ? "Stop notifying me" : "Let this browser notify me";
    }
  }

  button.addEventListener("click", async () => {
    if (wanted()) {
      localStorage.setItem("lifeos-notify", "off");
    } else {
      localStorage.removeItem("lifeos-notify");
      if (!can()) await Notification.requestPermission();
    }
    show();
  });
  show();
})();
