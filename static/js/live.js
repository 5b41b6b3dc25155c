// The page's socket brings cards of changed jobs. An older one never replaces a newer.
document.addEventListener("htmx:ws:before:message:incoming", (event) => {
  let news;
  try {
    news = JSON.parse(event.detail.message.data);
  } catch {
    return;
  }
  const card = document.getElementById(`job-${news.job}`);
  if (!card || Number(card.dataset.sequence) >= news.sequence) event.preventDefault();
});

// Seconds since a job began, counted on between two events.
setInterval(() => {
  for (const place of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(place.dataset.since)) / 1000));
    place.textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
}, 1000);

document.addEventListener("click", async (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    await navigator.clipboard.writeText(document.querySelector(copier.dataset.copy).textContent);
    copier.textContent = "Copied";
  }
  const swapper = event.target.closest("[data-swap-size]");
  if (swapper) {
    const [width, height] = ["width", "height"].map((name) => document.querySelector(`[name="${name}"]`));
    [width.value, height.value] = [height.value, width.value];
  }
  const random = event.target.closest("[data-random]");
  if (random) document.querySelector(`[name="${random.dataset.random}"]`).value = "";
});
