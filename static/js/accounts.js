/* Passkeys are offered where the browser has them, and its no is told in words. */
"use strict";

(() => {
  const named = /[a-z]/i.test(location.hostname) && !location.hostname.startsWith("[");
  const offered = Boolean(window.PublicKeyCredential) && window.isSecureContext && named;

  for (const part of document.querySelectorAll("[data-passkeys]")) part.hidden = !offered;
  for (const part of document.querySelectorAll("[data-no-passkeys]")) part.hidden = offered;

  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    for (const part of document.querySelectorAll("[data-passkey-error]")) part.hidden = false;
  });
})();
