// models/state/ram_encoder.py: RAM to features.

export class RamEncoder {
  constructor(tables) {
    this.varying = tables.get("encoder.varying");
    this.rowOf = tables.get("encoder.row_of");
    this.varyingBits = tables.get("encoder.varying_bits");
    this.valueRows = tables.get("encoder.value_rows");
    this.bitRows = tables.get("encoder.bit_rows");
    this.numFeatures = tables.shape("encoder.value_rows")[1];
  }

  features(ram) {
    const features = new Float64Array(this.numFeatures);
    this.varying.forEach((address, number) => {
      addRow(features, this.valueRows, this.rowOf[256 * number + ram[address]]);
    });
    this.varyingBits.forEach((bit, number) => {
      const value = ram[this.varying[bit >> 3]];
      if ((value >> (bit & 7)) & 1) addRow(features, this.bitRows, number);
    });
    return features;
  }
}

function addRow(sums, matrix, row) {
  const begin = row * sums.length;
  for (let column = 0; column < sums.length; column++) sums[column] += matrix[begin + column];
}
