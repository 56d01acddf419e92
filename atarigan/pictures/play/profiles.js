// models/families/profiles.py and shifted_profiles.py: features and RAM to numbers of colors.

import { layersOf } from "./layers.js";
import { PixelTerms } from "./pixel_terms.js";
import { RecoloredRegions } from "./recolored_regions.js";
import { ShiftedGroups } from "./shifted_groups.js";

const HALF_LEVELS = 127.5, MIDDLE = 128, NUM_LEVELS = 256;

export class Profiles {
  constructor(tables) {
    const { height, width, mix, scale, takesState } = tables.settings;
    Object.assign(this, { height, width, scale, takesState });
    this.mix = layersOf(tables, mix);
    this.rows = layersOf(tables, [["linear", "row_profiles.0"]])[0];
    this.columns = layersOf(tables, [["linear", "column_profiles.0"]])[0];
    this.background = tables.get("background");
    this.levels = tables.get("levels");
    this.paletteOf = tables.get("palette_of");
    this.parts = takesState ? [new ShiftedGroups(tables), new PixelTerms(tables)] : [];
    this.regions = takesState ? new RecoloredRegions(tables) : null;
  }

  // The number of each pixel's color. Without a condition, latents alone determine it.
  frame(latents, condition, ram) {
    const features = this.mixed(latents, condition);
    const positions = this.products(features);
    for (const part of this.parts) part.draw(positions, features, ram);
    const frame = this.colored(positions);
    this.regions?.recolor(frame, ram);
    return frame;
  }

  mixed(latents, condition) {
    if (this.takesState) return joined(latents, this.residual(condition));
    return this.residual(joined(latents, condition));
  }

  residual(inputs) {
    if (!this.mix.length) return inputs;
    const added = this.mix.reduce((values, layer) => layer(values), inputs);
    return inputs.map((x, place) => x + added[place]);
  }

  // Background and products, as ProfilesGenerator.products.
  products(features) {
    const { height, width, scale } = this;
    const rows = this.rows(features), columns = this.columns(features);
    const rank = rows.length / height;
    const positions = Float64Array.from(this.background);
    for (let line = 0; line < height; line++) {
      for (let number = 0; number < rank; number++) {
        const factor = scale * rows[line * rank + number];
        const to = line * width, from = number * width;
        for (let x = 0; x < width; x++) positions[to + x] += factor * columns[from + x];
      }
    }
    return positions;
  }

  // The nearest color of each pixel's palette, as PixelPalettes.frames.
  colored(positions) {
    const frame = new Uint32Array(positions.length);
    for (let pixel = 0; pixel < frame.length; pixel++) {
      const level = Math.trunc(positions[pixel] * HALF_LEVELS + MIDDLE);
      const inRange = Math.min(Math.max(level, 0), NUM_LEVELS - 1);
      frame[pixel] = this.levels[this.paletteOf[pixel] * NUM_LEVELS + inRange];
    }
    return frame;
  }
}

export function joined(latents, condition) {
  const together = new Float64Array(latents.length + condition.length);
  together.set(latents);
  together.set(condition, latents.length);
  return together;
}
