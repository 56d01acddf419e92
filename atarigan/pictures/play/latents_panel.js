// Sliders of latents: those of the network, and those that determine a state.

import { element, slider } from "./elements.js";

export class LatentsPanel {
  // names: of each latent.
  constructor(place, latents, names, onChange) {
    this.latents = latents;
    const [least, most] = latents.range;
    this.sliders = names.map((name, number) => {
      const made = slider(least, most, 0.01, (value) => onChange(number, value));
      place.append(element("label", { className: "latent" }, element("span", {}, name), made));
      return made;
    });
  }

  show() {
    this.sliders.forEach((each, number) => {
      if (each !== document.activeElement) each.value = this.latents.values[number];
    });
  }
}
