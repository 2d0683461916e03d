// Subsampled YCbCr that is not JPEG, to RGB, TIFF 6.0 section 21.
//
// In the arithmetic of libtiff's tif_color.c (TIFFYCbCrToRGBInit), whose floats have 32 bits
// and whose tables hold integers: GDAL gives those pixels.

import { chunk, define, size } from "./metadata.mjs";

const NAME = "virtual_tiff.ycbcr";
const SHIFT = 16;
const HALF = 1 << (SHIFT - 1);
const FACTORS = new Set([1, 2, 4]);
const f32 = Math.fround;

/** Data units, (…, down, across, values), to RGB of shape (…, rows, columns, 3). */
export const ycbcr = define(
  NAME,
  "array_to_array",
  ({ subsampling, coefficients, reference }, place) => {
    const [across, down] = subsampling;
    if (subsampling.length !== 2 || !FACTORS.has(across) || !FACTORS.has(down)) {
      throw new Error(`${NAME}: subsampling=${subsampling} must be two of 1, 2 and 4`);
    }
    const numbers = [...coefficients, ...reference];
    const sound = numbers.every((number) => Math.abs(number) < 2 ** 31) && coefficients[1] !== 0;
    if (coefficients.length !== 3 || reference.length !== 6 || !sound) {
      throw new Error(`${NAME}: ${coefficients} and ${reference} are no 3 and 6 numbers`);
    }
    const { shape, dataType } = place;
    if (dataType !== "uint8" || shape.length < 3 || shape.at(-1) !== 3) {
      throw new Error(`${NAME}: not for ${dataType} of shape [${shape}]`);
    }
    const [rows, columns] = shape.slice(-3, -1);
    const before = shape.slice(0, -3);
    const units = [Math.ceil(rows / down), Math.ceil(columns / across), across * down + 2];
    const stored = [...before, ...units];
    const tables = tablesOf(coefficients, reference);
    return {
      // the steps behind this one see the units, and no transpose before them
      getEncodedMeta: (meta) => ({ ...meta, shape: stored, codecs: place.later }),
      decode({ data }) {
        if (data.length !== size(stored)) {
          throw new Error(`${NAME}: a block of ${data.length} values for [${stored}]`);
        }
        const grid = { count: size(before), rows, columns, across, down, units };
        return chunk(rgb(data, grid, tables), place);
      },
    };
  },
  { subsampling: undefined, coefficients: undefined, reference: undefined },
);

function rgb(data, { count, rows, columns, across, down, units }, tables) {
  const out = new Uint8ClampedArray(count * rows * columns * 3);
  const [unitRows, unitColumns, values] = units;
  let at = 0;
  for (let y = 0; y < count * rows; y += 1) {
    const row = y % rows;
    const unitRow = Math.floor(y / rows) * unitRows + Math.floor(row / down);
    for (let x = 0; x < columns; x += 1) {
      const unit = (unitRow * unitColumns + Math.floor(x / across)) * values;
      const luma = tables.y[data[unit + (row % down) * across + (x % across)]];
      const cb = data[unit + values - 2];
      const cr = data[unit + values - 1];
      out[at++] = luma + tables.crRed[cr];
      out[at++] = luma + ((tables.cbGreen[cb] + tables.crGreen[cr]) >> SHIFT);
      out[at++] = luma + tables.cbBlue[cb];
    }
  }
  return new Uint8Array(out.buffer);
}

/** What a stored byte adds; that of green in units of 1 / 2**16, the half for rounding with it. */
function tablesOf(coefficients, reference) {
  const [red, green, blue] = coefficients.map(f32);
  const toRed = f32(2 - f32(2 * red));
  const toBlue = f32(2 - f32(2 * blue));
  const crRed = fixed(toRed);
  const cbBlue = fixed(toBlue);
  const crGreen = fixed(f32(f32(red * toRed) / green));
  const cbGreen = fixed(f32(f32(blue * toBlue) / green));
  const [blackY, whiteY, blackCb, whiteCb, blackCr, whiteCr] = reference;
  const cb = scaled(128, blackCb, whiteCb, 127);
  const cr = scaled(128, blackCr, whiteCr, 127);
  return {
    y: scaled(0, blackY, whiteY, 255),
    crRed: cr.map((code) => (Math.imul(crRed, code) + HALF) >> SHIFT),
    crGreen: cr.map((code) => -Math.imul(crGreen, code)),
    cbGreen: cb.map((code) => HALF - Math.imul(cbGreen, code)),
    cbBlue: cb.map((code) => (Math.imul(cbBlue, code) + HALF) >> SHIFT),
  };
}

/** libtiff's Code2V: each code, from the reference's range to `full`, towards zero. */
function scaled(zero, black, white, full) {
  const begin = f32(f32(black) - zero);
  const end = f32(f32(white) - zero);
  const span = end === begin ? 1 : f32(end - begin);
  return Int32Array.from({ length: 256 }, (_, code) => {
    const found = f32(f32(f32(code - zero - Math.trunc(begin)) * full) / span);
    return Math.trunc(Math.min(Math.max(found, -4096), 4096));
  });
}

/** libtiff's FIX of a number cut off at 0 and 2. */
function fixed(number) {
  const cut = Math.min(2, number > 0 ? number : 0); // not a number is 0
  return Math.trunc(cut * (1 << SHIFT) + 0.5);
}
