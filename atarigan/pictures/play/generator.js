// models/frame_generator.py: draws frames of latents and RAM, and states of latents.

import { Codebook } from "./codebook.js";
import { normalCdf } from "./layers.js";
import { Profiles } from "./profiles.js";
import { RamEncoder } from "./ram_encoder.js";
import { StatePrior } from "./state_prior.js";

const FAMILIES = { codebook: Codebook, profiles: Profiles, shifted_profiles: Profiles };
const BELOW_ONE = 1 - 2 ** -24;

export class Generator {
  constructor(tables) {
    this.settings = tables.settings;
    this.network = new FAMILIES[this.settings.family](tables);
    this.colors = tables.get("colors");
    this.encoder = this.readsRam ? new RamEncoder(tables) : null;
    this.prior = this.readsRam ? new StatePrior(tables) : null;
  }

  get readsRam() {
    return this.settings.numBytes > 0;
  }

  // The pixels of a frame, RGBA one after the other.
  frame(latents, ram, label = 0) {
    const numbers = latents.subarray(0, this.settings.networkLatents);
    return this.rgba(this.network.frame(numbers, this.condition(ram, label), ram));
  }

  // The RAM that latents determine.
  state(latents) {
    const numbers = latents.subarray(this.settings.networkLatents);
    return this.prior.state(numbers.map((x) => onUnitInterval(x, this.settings.distribution)));
  }

  condition(ram, label) {
    if (this.readsRam) return this.encoder.features(ram);
    return Float64Array.from({ length: this.settings.numClasses }, (_, number) => +(number === label));
  }

  rgba(frame) {
    const pixels = new Uint8ClampedArray(4 * frame.length);
    for (let pixel = 0; pixel < frame.length; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        pixels[4 * pixel + channel] = this.colors[3 * frame[pixel] + channel];
      }
      pixels[4 * pixel + 3] = 255;
    }
    return pixels;
  }
}

// models/latent_tensors.py, on_unit_interval.
function onUnitInterval(x, distribution) {
  if (distribution === "unit") return x;
  const unit = distribution === "normal" ? normalCdf(x) : (x + 1) / 2;
  return Math.min(Math.max(unit, 0), BELOW_ONE);
}
