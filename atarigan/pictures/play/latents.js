// models/latents.py: latents, and the random walk that they follow.

import { normalCdf } from "./layers.js";

const RANGES = { normal: [-3, 3], uniform: [-1, 1], unit: [0, 1] };
const WALK_LENGTH = 40; // steps in which a walk forgets where it was

export class Latents {
  constructor(values, distribution) {
    this.values = Float64Array.from(values);
    this.positions = Float64Array.from(values); // of the walk, N(0, 1)
    this.distribution = distribution;
  }

  get range() {
    return RANGES[this.distribution];
  }

  set(place, value) {
    this.values[place] = this.positions[place] = Math.fround(value);
  }

  draw(stream) {
    this.moveTo(this.positions.map(() => stream.normal()));
  }

  // As latents.walked.
  walk(stream) {
    const kept = Math.exp(-1 / WALK_LENGTH), share = Math.sqrt(1 - kept ** 2);
    this.moveTo(this.positions.map((position) => kept * position + share * stream.normal()));
  }

  moveTo(positions) {
    this.positions = positions;
    this.values = positions.map((x) => Math.fround(fromGaussian(x, this.distribution)));
  }
}

function fromGaussian(x, distribution) {
  if (distribution === "normal") return x;
  return distribution === "unit" ? normalCdf(x) : 2 * normalCdf(x) - 1;
}
