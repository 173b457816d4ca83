// Shows in place what the form would do: the request that the button sends, answered by the preview alone.
"use strict";
{
  const PAUSE_MS = 700;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button[name=_preview]");
    const target = document.getElementById("merch-compared");
    if (!button || !target) return; // who may only look has no preview
    const form = button.form;
    let timer = 0;
    let latest = 0;
    let wanted = false;

    const show = async () => {
      const number = ++latest;
      const body = new FormData(form);
      body.set("_preview", "alone");
      target.setAttribute("aria-busy", "true");
      try {
        const response = await fetch(location.href, { method: "POST", body, credentials: "same-origin" });
        if (!response.ok || response.redirected) throw new Error(response.statusText);
        const html = await response.text();
        if (number === latest) target.innerHTML = html; // an earlier answer may come later
      } catch (error) {
        if (number === latest) target.textContent = "There is no preview just now. Try again.";
      } finally {
        if (number === latest) target.removeAttribute("aria-busy");
      }
    };

    button.addEventListener("click", (event) => {
      event.preventDefault();
      wanted = true;
      clearTimeout(timer);
      show();
    });
    // Enter in any other field saves.
    document.getElementById("merch-query").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      button.click();
    });
    // The admin's own jQuery also hears what its choosers report, which is no event of the browser's.
    window.django.jQuery(form).on("input change", () => {
      if (!wanted) return;
      clearTimeout(timer);
      timer = setTimeout(show, PAUSE_MS);
    });
  });
}
