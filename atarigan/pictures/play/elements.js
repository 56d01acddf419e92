// Makes elements of a page.

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function slider(least, most, step, onInput) {
  const made = element("input", { type: "range", min: least, max: most, step });
  made.addEventListener("input", () => onInput(made.valueAsNumber));
  return made;
}
