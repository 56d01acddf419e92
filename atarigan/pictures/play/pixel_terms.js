// models/families/pixel_terms.py: pixels that few bits or digits of RAM determine.

const NUM_VALUES = 16;

export class PixelTerms {
  constructor(tables) {
    for (const name of ["byte", "mask", "pixels", "kept", "terms", "tables"]) {
      this[name] = tables.get(`terms.${name}`);
    }
    this.numTerms = tables.shape("terms.terms")[1];
  }

  draw(positions, features, ram) {
    const values = Array.from(this.byte, (byte, field) => {
      const mask = this.mask[field];
      return (ram[byte] & mask) / (mask & -mask);
    });
    this.pixels.forEach((pixel, number) => {
      let sum = this.kept[number] * positions[pixel];
      for (let term = 0; term < this.numTerms; term++) {
        const place = number * this.numTerms + term;
        sum += this.tables[place * NUM_VALUES + values[this.terms[place]]];
      }
      positions[pixel] = sum;
    });
  }
}
