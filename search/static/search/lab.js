// Stores grades without leaving the page, takes the keys 0 to 3, and keeps empty fields out of the address.
"use strict";
{
  const form = document.getElementById("lab-judge");
  const said = document.getElementById("lab-said");

  const show = (sku, grade) => {
    for (const hit of document.querySelectorAll(".lab-hit")) {
      if (hit.dataset.sku !== sku) continue;
      for (const button of hit.querySelectorAll("[data-grade]")) {
        if (button.dataset.grade === "") button.hidden = grade === null;
        else button.setAttribute("aria-pressed", String(button.dataset.grade === String(grade)));
      }
    }
  };

  const judge = async (button) => {
    const body = new FormData(form);
    body.append("judgment", button.value);
    const hit = button.closest(".lab-hit");
    try {
      const response = await fetch(form.action, {
        method: "POST",
        body,
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        redirect: "error",
      });
      const type = response.headers.get("Content-Type") || "";
      const answer = type.startsWith("application/json") ? await response.json() : { error: "You may not judge." };
      if (answer.error) throw new Error(answer.error);
      if (button.dataset.grade === "") hit.querySelector("[data-grade]").focus();
      show(answer.sku, answer.grade);
      said.textContent = answer.grade === null ? `Took back the grade of ${answer.sku}.` : `Graded ${answer.sku}: ${answer.grade}.`;
    } catch (error) {
      said.textContent = `Not stored: ${error.message}`;
    }
  };

  if (form) {
    document.addEventListener("click", (event) => {
      const button = event.target.closest('button[form="lab-judge"]');
      if (!button) return;
      event.preventDefault();
      judge(button);
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !/^[0-3]$/.test(event.key)) return;
      const hit = event.target.closest(".lab-hit");
      const button = hit?.querySelector(`[data-grade="${event.key}"]`);
      if (!button) return;
      event.preventDefault();
      judge(button);
    });
  }

  document.getElementById("lab-form").addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) {
      if (value === "") event.formData.delete(name);
    }
  });
}
