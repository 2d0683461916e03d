// From bytes to samples: both predictors, and depths that are no data type's.

import { arrayOf, asArray, chunk, define, isLittleEndian, size, split, whole } from "./metadata.mjs";

/** The integers of an element's size: predictor 2 is their difference, for floats as well. */
const WORDS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array };

const DELTA = "imagecodecs_delta";

/** Predictor 2, TIFF 6.0 section 14. */
export const delta = define(
  DELTA,
  "array_to_array",
  ({ axis, dist }, place) => {
    whole(DELTA, "dist", dist);
    const [before, length, behind] = split(DELTA, place.shape, axis);
    return {
      decode(stored) {
        const data = stored.data.slice(); // a store may keep what it gave
        if (data.length !== size(place.shape)) {
          throw new Error(`${DELTA}: a block of ${data.length} samples for [${place.shape}]`);
        }
        const words = new WORDS[data.BYTES_PER_ELEMENT](data.buffer, data.byteOffset, data.length);
        const [row, step] = [length * behind, dist * behind];
        for (let first = 0; first < before * row; first += row) {
          for (let i = first + step; i < first + row; i += 1) words[i] += words[i - step];
        }
        return { ...stored, data };
      },
    };
  },
  { axis: -1, dist: 1 },
);

const FLOATPRED = "imagecodecs_floatpred";

/**
 * Predictor 3, Adobe's Technical Note 3: the bytes of a row plane by plane, the most
 * significant first, each the difference from the one before.
 */
export const floatpred = define(
  FLOATPRED,
  "array_to_bytes",
  ({ axis, dist }, place) => {
    whole(FLOATPRED, "dist", dist);
    const [before, length, behind] = split(FLOATPRED, place.shape, axis);
    const row = length * behind;
    return {
      decode(bytes) {
        const found = asArray(new Uint8Array(bytes.length), FLOATPRED, place);
        const out = new Uint8Array(found.buffer);
        const width = found.BYTES_PER_ELEMENT;
        for (let first = 0; first < before * row * width; first += row * width) {
          const planes = bytes.slice(first, first + row * width);
          const step = dist * behind;
          for (let i = step; i < planes.length; i += 1) planes[i] += planes[i - step];
          for (let byte = 0; byte < width; byte += 1) {
            const at = isLittleEndian ? width - 1 - byte : byte;
            for (let i = 0; i < row; i += 1) out[first + i * width + at] = planes[byte * row + i];
          }
        }
        return chunk(found, place);
      },
    };
  },
  { axis: -1, dist: 1 },
);

const FLOAT24 = "imagecodecs_float24";

/** Floats of 24 bits, TIFF Technical Note 3: a sign, 7 bits of exponent, 16 of mantissa. */
export const float24 = define(
  FLOAT24,
  "array_to_bytes",
  ({ byteorder }, place) => {
    if (byteorder !== "<" && byteorder !== ">") {
      throw new Error(`${FLOAT24}: byteorder=${byteorder} is neither < nor >`);
    }
    if (place.dataType !== "float32") throw new Error(`${FLOAT24}: no ${place.dataType}`);
    const [high, low] = byteorder === "<" ? [2, 0] : [0, 2];
    const count = size(place.shape);
    return {
      decode(bytes) {
        checkLength(FLOAT24, bytes, count * 3);
        const found = new Float32Array(count);
        for (let i = 0; i < count; i += 1) {
          const mantissa = (bytes[3 * i + 1] << 8) | bytes[3 * i + low];
          found[i] = floatOf(bytes[3 * i + high], mantissa);
        }
        return chunk(found, place);
      },
    };
  },
  { byteorder: undefined },
);

function floatOf(first, mantissa) {
  const sign = first & 0x80 ? -1 : 1;
  const exponent = first & 0x7f;
  if (exponent === 0x7f) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** -78;
  return sign * (0x10000 + mantissa) * 2 ** (exponent - 79);
}

const PACKINTS = "imagecodecs_packints";

/** Unsigned integers of 1 to 31 bits, the highest bit first; each row begins at a byte. */
export const packints = define(
  PACKINTS,
  "array_to_bytes",
  ({ bitspersample, runlen }, place) => {
    whole(PACKINTS, "runlen", runlen);
    // imagecodecs takes those for words of the machine's own order; our stores say `bytes`
    if (bitspersample === 16) throw new Error(`${PACKINTS}: 16 bits are of the codec bytes`);
    return unpacked(PACKINTS, { bits: bitspersample, row: runlen, most: 31, little: false }, place);
  },
  { bitspersample: undefined, runlen: undefined },
);

const BITS = "virtual_tiff.bits";

/** Integers of 1 to 64 bits; signed ones keep their sign. */
export const bits = define(
  BITS,
  "array_to_bytes",
  ({ bits: count, row, endian }, place) => {
    whole(BITS, "row", row);
    if (endian !== "big" && (endian !== "little" || count % 8)) {
      throw new Error(`${BITS}: endian=${endian} of samples of ${count} bits`);
    }
    return unpacked(BITS, { bits: count, row, most: 64, little: endian === "little" }, place);
  },
  { bits: undefined, row: undefined, endian: "big" },
);

function unpacked(name, { bits: count, row, most, little }, place) {
  const Typed = arrayOf(place.dataType);
  whole(name, "bits", count);
  if (!/^u?int/.test(place.dataType) || count > most || count > Typed.BYTES_PER_ELEMENT * 8) {
    throw new Error(`${name}: ${place.dataType} from ${count} bits`);
  }
  const rows = size(place.shape) / row;
  const rowBytes = Math.ceil((row * count) / 8);
  if (!Number.isInteger(rows)) throw new Error(`${name}: [${place.shape}] in rows of ${row}`);
  const value = sampleOf(Typed, count, place.dataType.startsWith("int"));
  return {
    decode(bytes) {
      checkLength(name, bytes, rows * rowBytes);
      const ordered = little ? swapped(bytes, count / 8) : bytes;
      const found = new Typed(rows * row);
      for (let line = 0; line < rows; line += 1) {
        const take = bitsOf(ordered, line * rowBytes);
        for (let i = 0; i < row; i += 1) found[line * row + i] = value(take);
      }
      return chunk(found, place);
    },
  };
}

/** What makes one sample of the bits that it takes. */
function sampleOf(Typed, count, signed) {
  if (Typed.BYTES_PER_ELEMENT === 8) {
    const cut = signed ? BigInt.asIntN : BigInt.asUintN;
    const high = Math.max(count - 32, 0);
    const low = count - high;
    return (take) => cut(count, (BigInt(take(high)) << BigInt(low)) | BigInt(take(low)));
  }
  if (!signed) return (take) => take(count);
  return (take) => {
    const found = take(count);
    return found < 2 ** (count - 1) ? found : found - 2 ** count;
  };
}

/** A function that takes the next bits, 32 at most, from a byte on. */
function bitsOf(bytes, at) {
  let [byte, held] = [0, 0];
  return (wanted) => {
    let value = 0;
    for (let left = wanted; left > 0; ) {
      if (held === 0) [byte, held] = [bytes[at++], 8];
      const count = Math.min(left, held);
      held -= count;
      left -= count;
      value = value * (1 << count) + ((byte >> held) & ((1 << count) - 1));
    }
    return value;
  };
}

function swapped(bytes, width) {
  const found = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += 1) {
    found[i] = bytes[i - (i % width) + width - 1 - (i % width)];
  }
  return found;
}

function checkLength(name, bytes, promised) {
  if (bytes.length !== promised) {
    throw new Error(`${name}: a block of ${bytes.length} bytes; the tags promise ${promised}`);
  }
}
