// The tables of a model, as pictures/play_page.py packs them: the length of a header, the header
// as JSON, and arrays one after the other, all compressed (gzip) and in base64.

const ARRAYS = {
  i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array,
  f4: Float32Array,
};

// Arrays by name. A matrix of 8 bits with steps, one for each row, is read as float32, rounded as
// models/packed_weights.py rounds it.
export class Tables {
  constructor(header, buffer, begin) {
    this.settings = header.settings;
    this.shapes = {};
    this.arrays = {};
    for (const [name, [kind, shape, offset]] of Object.entries(header.tables)) {
      const length = shape.reduce((product, size) => product * size, 1);
      this.shapes[name] = shape;
      this.arrays[name] = new ARRAYS[kind](buffer, begin + offset, length);
    }
  }

  has(name) {
    return name in this.arrays;
  }

  shape(name) {
    return this.shapes[name];
  }

  get(name) {
    const steps = this.arrays[`${name}:steps`];
    return steps ? inSteps(this.arrays[name], steps) : this.arrays[name];
  }
}

export async function unpacked(text) {
  const buffer = await inflated(bytesOf(text));
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return new Tables(header, buffer, 4 + length);
}

function inSteps(whole, steps) {
  const matrix = new Float32Array(whole.length);
  const columns = whole.length / steps.length;
  for (let place = 0; place < whole.length; place++) {
    matrix[place] = whole[place] * steps[Math.floor(place / columns)];
  }
  return matrix;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
