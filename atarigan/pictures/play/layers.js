// Layers of networks for one sample. Weights are float32, as torch's, and sums are float64. Colors and
// codes are whole numbers, so they are the same, except where torch's rounding decides between two.

// W x + b of a matrix that holds its rows one after the other.
export function linear(weight, bias, inputs, out = new Float64Array(bias.length)) {
  const size = inputs.length;
  for (let row = 0, place = 0; row < out.length; row++, place += size) {
    out[row] = bias[row] + product(weight, place, inputs);
  }
  return out;
}

// The product of a vector and the row of a matrix that begins at a place.
export function product(weight, place, inputs) {
  const size = inputs.length, even = size - (size % 4);
  let a = 0, b = 0, c = 0, d = 0; // four sums at once, which processors add in parallel
  let column = 0;
  for (; column < even; column += 4) {
    a += weight[place + column] * inputs[column];
    b += weight[place + column + 1] * inputs[column + 1];
    c += weight[place + column + 2] * inputs[column + 2];
    d += weight[place + column + 3] * inputs[column + 3];
  }
  for (; column < size; column++) a += weight[place + column] * inputs[column];
  return a + b + (c + d);
}

// The layers that models/web_pages/generator_tables.py lists, as functions of a vector.
export function layersOf(tables, listed) {
  const kinds = {
    linear: (name) => {
      const weight = tables.get(`${name}.weight`), bias = tables.get(`${name}.bias`);
      return (inputs) => linear(weight, bias, inputs);
    },
    norm: (name, epsilon) => {
      const weight = tables.get(`${name}.weight`), bias = tables.get(`${name}.bias`);
      return (inputs) => normalized(inputs, weight, bias, epsilon);
    },
    leaky: (name, slope) => (inputs) => inputs.map((x) => leaky(x, slope)),
    gelu: () => (inputs) => inputs.map((x) => x * normalCdf(x)),
  };
  return listed.map(([kind, ...options]) => kinds[kind](...options));
}

export function leaky(x, slope) {
  return x > 0 ? x : slope * x;
}

// The distribution function of N(0, 1).
export function normalCdf(x) {
  return (1 + erf(x / Math.SQRT2)) / 2;
}

// 2 / sqrt(π) exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 · … · (2n + 1)): Abramowitz and Stegun 1964, eq. 7.1.6.
// All terms have the same sign, so nothing cancels.
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function normalized(inputs, weight, bias, epsilon) {
  const mean = inputs.reduce((sum, x) => sum + x, 0) / inputs.length;
  const variance = inputs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / inputs.length;
  const scale = 1 / Math.sqrt(variance + epsilon);
  return inputs.map((x, place) => (x - mean) * scale * weight[place] + bias[place]);
}
