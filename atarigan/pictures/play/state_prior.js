// models/state/state_prior.py: draws states, RAM, from numbers in [0, 1), one for each group.

import { leaky, linear, product } from "./layers.js";

const SLOPE = 0.1, PENALTY = 8, MAX_CODES = 256, ABSENT = -1;

export class StatePrior {
  constructor(tables) {
    const get = (name) => tables.get(`prior.${name}`);
    for (const name of ["sizes", "parents", "seen", "resting", "places", "values"]) this[name] = get(name);
    for (const name of ["starts", "directions", "frequencies", "decided"]) this[name] = get(name);
    this.layers = ["first_layer", "second_layer"].map((name) => [get(`${name}.weight`), get(`${name}.bias`)]);
    this.width = tables.shape("prior.starts")[1];
    this.numPlaces = tables.shape("prior.places")[1];
  }

  get numQuantiles() {
    return this.sizes.length;
  }

  // The addresses of the bytes of a group.
  addresses(group) {
    const begin = group * this.numPlaces;
    return [...this.places.slice(begin, begin + this.numPlaces)].filter((each) => each !== ABSENT);
  }

  // The RAM of quantiles.
  state(quantiles) {
    const ram = this.resting.slice();
    const embedded = new Float64Array(this.width);
    const codes = [];
    let first = 0; // row of the group's first code
    this.sizes.forEach((size, group) => {
      const parent = group ? codes[this.parents[group]] : null;
      const code = drawn(this.logits(embedded, group, first, size, parent), quantiles[group]);
      codes.push(code);
      this.write(ram, group, first + code);
      for (let column = 0; column < this.width; column++) {
        embedded[column] += this.decided[(first + code) * this.width + column];
      }
      first += size;
    });
    return ram;
  }

  logits(embedded, group, first, size, parent) {
    const inputs = embedded.map((x, column) => x + this.starts[group * this.width + column]);
    const features = this.features(inputs);
    const logits = new Float64Array(size);
    for (let code = 0; code < size; code++) {
      const row = first + code;
      logits[code] = this.frequencies[row] + product(this.directions, row * this.width, features);
      if (parent !== null && !this.isSeen(row, parent)) logits[code] -= PENALTY;
    }
    return logits;
  }

  features(inputs) {
    const [first, second] = this.layers;
    const hidden = linear(...first, inputs.map((x) => leaky(x, SLOPE)));
    const added = linear(...second, hidden.map((x) => leaky(x, SLOPE)));
    return inputs.map((x, column) => x + added[column]);
  }

  isSeen(row, parent) {
    return (this.seen[(row * MAX_CODES + parent) >> 3] >> (parent & 7)) & 1;
  }

  write(ram, group, row) {
    for (let place = 0; place < this.numPlaces; place++) {
      const address = this.places[group * this.numPlaces + place];
      if (address !== ABSENT) ram[address] = this.values[row * this.numPlaces + place];
    }
  }
}

// The first code whose cumulative probability exceeds the quantile.
function drawn(logits, quantile) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((x) => Math.exp(x - largest));
  const total = weights.reduce((a, b) => a + b);
  let below = 0;
  for (let code = 0; code < weights.length - 1; code++) {
    below += weights[code] / total;
    if (below > quantile) return code;
  }
  return weights.length - 1;
}
