// Shows what the model would read of the product's form as it stands, while one types.
"use strict";
{
  const PAUSE_MS = 400;
  const FIELDS = ["name", "brand", "category", "short_description", "description", "attributes"];

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("product_form");
    const target = document.getElementById("embedding-preview");
    if (!form || !target || !form.elements.namedItem("name")) return; // who may only look has no fields
    const url = location.pathname.replace(/(\/catalog\/product\/).*$/, "$1embedding-preview/");
    let timer = 0;
    let latest = 0;

    const show = async () => {
      const number = ++latest;
      const body = new URLSearchParams();
      for (const name of FIELDS) body.set(name, form.elements.namedItem(name)?.value ?? "");
      const token = form.elements.namedItem("csrfmiddlewaretoken").value;
      try {
        const response = await fetch(url, {
          method: "POST",
          body,
          headers: { "X-CSRFToken": token },
          credentials: "same-origin",
        });
        // An earlier answer may come later.
        if (response.ok && number === latest) target.innerHTML = (await response.json()).html;
      } catch (error) {
        // The server may be restarting; the next key stroke asks again.
      }
    };

    const soon = (event) => {
      if (!FIELDS.includes(event.target.name)) return;
      clearTimeout(timer);
      timer = setTimeout(show, PAUSE_MS);
    };
    // The admin's own jQuery also hears what its category chooser reports, which is no event of the browser's.
    window.django.jQuery(form).on("input change", soon);
  });
}
