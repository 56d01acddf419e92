// models/dynamics/tree_walk.py: predicts an emulator frame with one decision tree for each byte.

// Of the cells around the one that is pointed at, as in byte_grids.py.
const OFFSETS = [[0, 0], [0, 1], [0, -1], [1, 0], [1, 1], [1, -1], [-1, 0], [-1, 1], [-1, -1]];
const DIFFERENCE = 1, XOR = 2; // codings as in tree_tables.py, and operations as in formulas.py
const FIRST_FORMULA = 256;

export class Trees {
  constructor(tables) {
    for (const name of ["features", "node_features", "thresholds", "skips", "roots", "formulas"]) {
      this[name] = tables.get(`trees.${name}`);
    }
    for (const name of ["addresses", "codings", "groups", "rewards"]) {
      this[name] = tables.get(`trees.${name}`);
    }
    for (const name of ["pointers", "places", "masks", "members"]) {
      this[name] = tables.get(`trees.grid_${name}`);
    }
    for (const name of ["indexes", "members", "last"]) {
      this[`array_${name}`] = tables.get(`trees.array_${name}`);
    }
    this.numGrids = this.pointers.length / 2;
    this.numPlaces = this.members.length / Math.max(this.numGrids, 1);
    this.numArrays = this.array_indexes.length;
    this.arrayWidth = this.array_members.length / Math.max(this.numArrays, 1);
    this.numGroups = 1 + this.groups.reduce((most, group) => Math.max(most, group), -1);
    this.firstNext = 1 + this.addresses.length;
    this.firstInput = 1 + 2 * this.addresses.length;
  }

  // The next RAM, the frame's reward, whether the episode ends, and lives.
  play(ram, inputs) {
    const numVarying = this.addresses.length;
    const registers = this.registers(ram, inputs);
    const firstNextEntry = registers.length - this.numArrays;
    const next = ram.slice();
    for (let tree = 0; tree < numVarying; tree++) {
      const value = this.value(tree, registers);
      registers[this.firstNext + tree] = value;
      const group = this.groups[tree]; // -1 for none
      if (group >= 0 && value !== registers[1 + tree]) {
        registers[this.firstInput + inputs.length + group] += 1; // how many of its bytes change
      }
      next[this.addresses[tree]] = value;
      this.array_last.forEach((last, array) => {
        if (last === tree) registers[firstNextEntry + array] = this.entry(array, this.firstNext, registers);
      });
    }
    const [reward, end, lives] = [0, 1, 2].map((head) => this.leaf(numVarying + head, registers));
    return { ram: next, reward: this.rewards[reward], isEnd: end > 0, lives };
  }

  registers(ram, inputs) {
    const firstGrid = this.firstInput + inputs.length + this.numGroups;
    const firstEntry = firstGrid + this.numGrids * OFFSETS.length;
    const registers = new Int32Array(firstEntry + 2 * this.numArrays); // present entries, next ones
    this.addresses.forEach((address, number) => (registers[1 + number] = ram[address]));
    registers.set(inputs, this.firstInput);
    for (let grid = 0; grid < this.numGrids; grid++) {
      OFFSETS.forEach((offset, number) => {
        registers[firstGrid + grid * OFFSETS.length + number] = this.cell(grid, offset, registers);
      });
    }
    for (let array = 0; array < this.numArrays; array++) {
      registers[firstEntry + array] = this.entry(array, 1, registers);
    }
    return registers;
  }

  // What an array's index picks among the values from a register on, -1 for nothing, as
  // IndexedArrays.entries in indexed_arrays.py.
  entry(array, first, registers) {
    const picked = registers[first + this.array_indexes[array]];
    if (picked >= this.arrayWidth) return -1;
    const member = this.array_members[array * this.arrayWidth + picked];
    return member < 0 ? -1 : registers[first + member];
  }

  // What stands at the cell of a grid that two bytes point at, as Grids.cells in byte_grids.py.
  cell(grid, offset, registers) {
    const [across, along] = [0, 1].map((each) => {
      const value = registers[1 + this.pointers[2 * grid + each]] + offset[each];
      return Math.min(Math.max(value, 0), 255);
    });
    const column = this.places[512 * grid + across];
    const row = this.places[512 * grid + 256 + along];
    if (column < 0 || row < 0 || column + row >= this.numPlaces) return 0;
    const member = this.members[grid * this.numPlaces + column + row];
    if (member < 0) return 0;
    const bits = registers[1 + member] & this.masks[256 * grid + across];
    return bits ? 256 * (column + row + 1) + bits : 0;
  }

  value(tree, registers) {
    const predicted = this.leaf(tree, registers);
    if (predicted >= FIRST_FORMULA) return this.formula(predicted - FIRST_FORMULA, registers);
    const present = registers[1 + tree];
    if (this.codings[tree] === DIFFERENCE) return (present + predicted) & 255;
    return this.codings[tree] === XOR ? present ^ predicted : predicted;
  }

  // What a formula gives, as Formula.values in formulas.py.
  formula(number, registers) {
    const [operation, first, second, shift, mask, constant] = this.formulas.subarray(6 * number);
    const one = registers[first], other = registers[second];
    const both = operation === XOR ? one ^ other : operation === DIFFERENCE ? one - other : one + other;
    const bits = both & 255;
    return (((shift >= 0 ? bits << shift : bits >> -shift) & mask) + constant) & 255;
  }

  // What the leaf predicts that a tree's nodes lead to.
  leaf(tree, registers) {
    const { features, node_features: featureOf, thresholds, skips } = this;
    let node = this.roots[tree];
    while (skips[node]) {
      const feature = 3 * featureOf[node]; // its first register, mask and second register
      const value = (registers[features[feature]] & features[feature + 1]) - registers[features[feature + 2]];
      node += value > thresholds[node] ? skips[node] : 1;
    }
    return thresholds[node];
  }
}
