// models/dynamics/random_streams.py: SplitMix64, so that a seed gives the game that it gives in Python.

const MASK = (1n << 64n) - 1n;
const GAMMA = 0x9e3779b97f4a7c15n;
const FIRST_MIXER = 0xbf58476d1ce4e5b9n, SECOND_MIXER = 0x94d049bb133111ebn;

export class RandomStream {
  constructor(seed) {
    this.key = mixed((BigInt(seed) + GAMMA) & MASK);
    this.numDrawn = 0n;
  }

  // A number in [0, 1).
  uniform() {
    this.numDrawn += 1n;
    const number = mixed((this.key + this.numDrawn * GAMMA) & MASK);
    return Number(number >> 11n) * 2 ** -53;
  }

  // A number of N(0, 1): Box and Muller 1958, "A note on the generation of random normal deviates".
  normal() {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}

function mixed(number) {
  number = ((number ^ (number >> 30n)) * FIRST_MIXER) & MASK;
  number = ((number ^ (number >> 27n)) * SECOND_MIXER) & MASK;
  return number ^ (number >> 31n);
}
