// models/families/recolored_regions.py: regions whose color RAM tells.

const NUM_VALUES = 256;

export class RecoloredRegions {
  constructor(tables) {
    for (const name of ["region_of", "usual", "colors", "on", "addresses"]) {
      this[name] = tables.get(`regions.${name}`);
    }
  }

  recolor(frame, ram) {
    const told = Array.from(this.usual, (usual, region) => this.told(region, ram) ?? usual);
    if (told.every((color, region) => color === this.usual[region])) return;
    this.region_of.forEach((number, pixel) => {
      if (number && frame[pixel] === this.usual[number - 1]) frame[pixel] = told[number - 1];
    });
  }

  // The color of a region where RAM says another one than usual.
  told(region, ram) {
    const [color, first, second] = this.addresses.subarray(3 * region, 3 * region + 3);
    const pair = ram[first] * NUM_VALUES + ram[second];
    const bit = region * NUM_VALUES * NUM_VALUES + pair;
    const isOn = (this.on[bit >> 3] >> (bit & 7)) & 1;
    return isOn ? this.colors[region * NUM_VALUES + ram[color]] : null;
  }
}
