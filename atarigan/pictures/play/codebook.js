// models/families/codebook.py: each pixel takes the likeliest of the colors that it has.

import { layersOf } from "./layers.js";
import { joined } from "./profiles.js";

export class Codebook {
  constructor(tables) {
    const { height, width, mix, scale } = tables.settings;
    Object.assign(this, { height, width, scale });
    const linear = (name) => layersOf(tables, [["linear", name]])[0];
    this.project = linear("project");
    this.rows = linear("row_profiles.0");
    this.columns = linear("column_profiles.0");
    this.mix = layersOf(tables, mix);
    this.bias = tables.get("bias");
    this.values = tables.get("values");
  }

  frame(latents, condition) {
    const inputs = this.project(joined(latents, condition));
    const added = this.mix.reduce((values, layer) => layer(values), inputs);
    const logits = this.logits(inputs.map((x, place) => x + added[place]));
    const size = this.height * this.width;
    const frame = new Uint32Array(size);
    for (let pixel = 0; pixel < size; pixel++) {
      let best = pixel;
      for (let place = pixel; place < logits.length; place += size) {
        if (logits[place] > logits[best]) best = place;
      }
      frame[pixel] = this.values[best];
    }
    return frame;
  }

  // The logit of each value of each pixel.
  logits(features) {
    const { height, width, scale } = this;
    const rows = this.rows(features), columns = this.columns(features);
    const logits = Float64Array.from(this.bias);
    const numLines = logits.length / width, rank = rows.length / numLines;
    for (let line = 0; line < numLines; line++) {
      const value = Math.floor(line / height);
      for (let number = 0; number < rank; number++) {
        const factor = scale * rows[line * rank + number];
        const to = line * width, from = (value * rank + number) * width;
        for (let x = 0; x < width; x++) logits[to + x] += factor * columns[from + x];
      }
    }
    return logits;
  }
}
