/* The blank page: on from here, back to where the panic key was pressed. */
"use strict";

(() => {
  const link = document.querySelector("[data-go-on]");
  document.title = "Blank";
  link.addEventListener("click", (event) => {
    event.preventDefault();
    let place = "/";
    try {
      place = localStorage.getItem("hidden-away") || "/";
      localStorage.removeItem("hidden-away");
    } catch {
      /* then to the start */
    }
    // Of this site alone, whatever was stored.
    const there = new URL(place, location.origin);
    location.replace(there.origin === location.origin ? there.pathname + there.search : "/");
  });
})();
