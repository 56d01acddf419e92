// models/families/pixel_terms.py: pixels that few bits or digits of RAM determine.

import { linear, product } from "./layers.js";

const NUM_VALUES = 16;

export class PixelTerms {
  constructor(tables) {
    for (const name of ["byte", "mask", "pixels", "kept", "terms", "tables", "shades"]) {
      this[name] = tables.get(`terms.${name}`);
    }
    this.numTerms = tables.shape("terms.terms")[1];
    this.weight = tables.get("terms.shading.weight");
    this.bias = tables.get("terms.shading.bias");
  }

  draw(positions, features, ram) {
    const ofState = features.subarray(features.length - this.weight.length / this.bias.length);
    const shading = linear(this.weight, this.bias, ofState); // latents come before
    const values = Array.from(this.byte, (byte, field) => {
      const mask = this.mask[field];
      return (ram[byte] & mask) / (mask & -mask);
    });
    this.pixels.forEach((pixel, number) => {
      let sum = 0;
      for (let term = 0; term < this.numTerms; term++) {
        const place = number * this.numTerms + term;
        sum += this.tables[place * NUM_VALUES + values[this.terms[place]]];
      }
      const shade = product(this.shades, number * shading.length, shading);
      const kept = this.kept[number];
      positions[pixel] = kept * positions[pixel] + sum * (1 + kept * shade);
    });
  }
}
