// models/families/recolored_regions.py: regions whose color RAM tells.

const NUM_VALUES = 256;

export class RecoloredRegions {
  constructor(tables) {
    for (const name of ["region_of", "usual", "near", "colors", "on", "addresses"]) {
      this[name] = tables.get(`regions.${name}`);
    }
  }

  recolor(frame, ram) {
    const told = Array.from(this.usual, (_, region) => this.told(region, ram));
    if (told.every((color) => color === null)) return;
    const numColors = this.near.length / this.usual.length;
    this.region_of.forEach((number, pixel) => {
      const color = number ? told[number - 1] : null;
      if (color === null) return;
      const isUsual = this.near[(number - 1) * numColors + frame[pixel]];
      if (isUsual) frame[pixel] = color;
    });
  }

  // The color of a region where RAM says another one than usual.
  told(region, ram) {
    const [color, first, second] = this.addresses.subarray(3 * region, 3 * region + 3);
    const pair = ram[first] * NUM_VALUES + ram[second];
    const bit = region * NUM_VALUES * NUM_VALUES + pair;
    const isOn = (this.on[bit >> 3] >> (bit & 7)) & 1;
    const told = isOn ? this.colors[region * NUM_VALUES + ram[color]] : this.usual[region];
    return told === this.usual[region] ? null : told;
  }
}
