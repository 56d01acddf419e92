// models/families/shifted_groups.py: pictures that are placed where bytes of RAM say.

import { linear, product } from "./layers.js";

const RANK = 8, CODE_SIZE = 64, ABSENT = -1, NUM_VALUES = 256;

export class ShiftedGroups {
  constructor(tables) {
    const { height, width } = tables.settings;
    this.size = [height, width];
    const names = ["bytes", "sizes", "starts", "grid", "codes", "weight", "bias", "slope"];
    for (const name of [...names, "opacity", "figures"]) this[name] = tables.get(`groups.${name}`);
    this.noBias = new Float64Array(this.codes.length / (tables.shape("groups.codes")[1] || 1));
  }

  // Adds the pictures of groups, from back to front, to positions of pixels.
  draw(positions, features, ram) {
    const drawn = new Float64Array(positions.length);
    const codes = linear(this.codes, this.noBias, features);
    let first = 0; // line of the group's first profile
    let figure = [];
    for (let group = 0; group < this.sizes.length / 2; group++) {
      const [numRows, numColumns] = this.sizes.subarray(2 * group, 2 * group + 2);
      const starts = [0, 1].map((axis) => this.start(group, axis, ram));
      if (!starts.includes(ABSENT)) {
        const code = codes.subarray(group * CODE_SIZE, (group + 1) * CODE_SIZE);
        const rows = this.placed(0, starts[0], this.profiles(code, first, numRows));
        const columns = this.placed(1, starts[1], this.profiles(code, first + numRows, numColumns));
        figure = figure.concat(this.differences(drawn, group, rows, columns));
      }
      first += numRows + numColumns;
      if (this.figures[group] === this.figures[group + 1]) continue;
      for (const [place, value] of figure) drawn[place] += value;
      figure = [];
    }
    for (let pixel = 0; pixel < drawn.length; pixel++) positions[pixel] += drawn[pixel];
  }

  start(group, axis, ram) {
    const value = ram[this.bytes[2 * group + axis]];
    return this.starts[(2 * group + axis) * NUM_VALUES + value];
  }

  // The profiles of some lines of a window, RANK numbers each.
  profiles(code, first, num) {
    const profiles = new Float64Array(num * RANK);
    for (let place = 0, row = first * RANK; place < profiles.length; place++, row++) {
      profiles[place] = this.bias[row] + product(this.weight, row * CODE_SIZE, code);
    }
    return profiles;
  }

  // Lines of the frame that a window of grid lines covers, as WindowTaps: each is the mean of the
  // grid lines that it covers, in proportion to the parts covered.
  placed(axis, start, profiles) {
    const grid = this.grid[axis], size = this.size[axis];
    const scale = grid / size, length = profiles.length / RANK;
    const begin = Math.floor(start / scale + 1e-9);
    const end = Math.ceil((start + length) / scale - 1e-9);
    const lines = [];
    for (let line = begin; line < end; line++) {
      const values = new Float64Array(RANK);
      for (let tap = Math.floor(line * scale + 1e-9); tap < (line + 1) * scale; tap++) {
        const share = (Math.min((line + 1) * scale, tap + 1) - Math.max(line * scale, tap)) / scale;
        const row = tap - start;
        if (share < 1e-6 || row < 0 || row >= length) continue;
        const weight = Math.fround(share);
        for (let each = 0; each < RANK; each++) values[each] += weight * profiles[row * RANK + each];
      }
      lines.push({ place: line % size, values });
    }
    return lines;
  }

  // What a group adds to what is behind its figure: its picture minus what that covers.
  differences(drawn, group, rows, columns) {
    const slope = Math.max(this.slope[group], 0);
    const most = Math.min(Math.max(this.opacity[group], 0), 1);
    const found = [];
    for (const row of rows) {
      for (const column of columns) {
        const place = row.place * this.size[1] + column.place;
        let sum = 0;
        for (let each = 0; each < RANK; each++) sum += row.values[each] * column.values[each];
        const opacity = Math.min(Math.abs(sum) * slope, most);
        found.push([place, sum - opacity * drawn[place]]);
      }
    }
    return found;
  }
}
