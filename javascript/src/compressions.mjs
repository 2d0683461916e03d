// From bytes to bytes: LZW and PackBits of TIFF 6.0, the order of bits, a short last strip.

import { arrayOf, define, size, whole } from "./metadata.mjs";

const CLEAR = 256;
const END = 257;
const FIRST = 258;
const MOST_CODES = 4096;

/** Codecs behind which the bytes are the samples, no more and no fewer. */
const WHOLE = new Set(["bytes", "imagecodecs_floatpred"]);

/** How many bytes a block has: `most`, and whether it must have them all. */
function promise({ shape, dataType, before }) {
  if (before?.name === "virtual_tiff.pad") return { most: before.configuration.size, all: false };
  const most = size(shape) * arrayOf(dataType).BYTES_PER_ELEMENT;
  return { most, all: WHOLE.has(before?.name) };
}

function decompression(name, decompress) {
  return define(name, "bytes_to_bytes", (_settings, place) => {
    const { most, all } = promise(place);
    return {
      decode(bytes) {
        const out = new Uint8Array(most);
        const length = decompress(bytes, out);
        if (all && length !== most) {
          throw new Error(`${name}: a block of ${length} bytes; the tags promise ${most}`);
        }
        return out.subarray(0, length);
      },
    };
  });
}

function tooLong(name, out) {
  return new Error(`${name}: more than the ${out.length} bytes that the tags promise`);
}

/** LZW, TIFF 6.0 section 13. */
export const lzw = decompression("imagecodecs_lzw", (bytes, out) => {
  // libtiff's sign of the bit order, and of the later change of width, of TIFF 5.0's writers
  const old = bytes.length > 1 && bytes[0] === 0 && (bytes[1] & 1) === 1;
  const early = old ? 0 : 1;
  const nextCode = old ? lowestFirst(bytes) : highestFirst(bytes);
  // a string is that of the code before, and one byte: it lies in the output already
  const starts = new Uint32Array(MOST_CODES);
  const lengths = new Uint32Array(MOST_CODES);
  let [width, free, at, start, length] = [9, FIRST, 0, 0, 0];
  for (let code = nextCode(width); code !== END && code >= 0; code = nextCode(width)) {
    if (code === CLEAR) {
      [width, free, length] = [9, FIRST, 0];
      continue;
    }
    if (length && free < MOST_CODES) {
      starts[free] = start;
      lengths[free] = length + 1;
      free += 1;
      if (free >= (1 << width) - early && width < 12) width += 1;
    }
    if (code >= free) throw new Error(`imagecodecs_lzw: the code ${code} is not in the table`);
    const count = code < CLEAR ? 1 : lengths[code];
    if (at + count > out.length) throw tooLong("imagecodecs_lzw", out);
    if (code < CLEAR) out[at] = code;
    else for (let i = 0, from = starts[code]; i < count; i += 1) out[at + i] = out[from + i];
    start = at;
    length = count;
    at += count;
  }
  return at;
});

/** Codes from the highest bit of each byte on; -1 behind the last. */
function highestFirst(bytes) {
  let [bits, held, at] = [0, 0, 0];
  return (width) => {
    while (held < width) {
      if (at === bytes.length) return -1;
      bits = ((bits << 8) | bytes[at++]) & 0xfffff;
      held += 8;
    }
    held -= width;
    return (bits >> held) & ((1 << width) - 1);
  };
}

/** Codes from the lowest bit of each byte on; -1 behind the last. */
function lowestFirst(bytes) {
  let [bits, held, at] = [0, 0, 0];
  return (width) => {
    while (held < width) {
      if (at === bytes.length) return -1;
      bits |= bytes[at++] << held;
      held += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>= width;
    held -= width;
    return code;
  };
}

/** PackBits, TIFF 6.0 section 9. */
export const packbits = decompression("imagecodecs_packbits", (bytes, out) => {
  let [at, from] = [0, 0];
  while (from < bytes.length) {
    const code = bytes[from++];
    if (code === 128) continue;
    const count = code < 128 ? code + 1 : 257 - code;
    const needed = code < 128 ? count : 1;
    if (from + needed > bytes.length) throw new Error("imagecodecs_packbits: a run is cut off");
    if (at + count > out.length) throw tooLong("imagecodecs_packbits", out);
    if (code < 128) out.set(bytes.subarray(from, from + count), at);
    else out.fill(bytes[from], at, at + count);
    at += count;
    from += needed;
  }
  return at;
});

const PAD = "virtual_tiff.pad";

/** A short last strip, filled up with zeros: rows below the image, which are never seen. */
export const pad = define(
  PAD,
  "bytes_to_bytes",
  ({ size: whole_, last }, { shape, dataType }) => {
    whole(PAD, "last", last);
    whole(PAD, "size", whole_, last + 1);
    // subsampled and packed samples take less than those of the chunk, none takes more
    const most = size(shape) * arrayOf(dataType).BYTES_PER_ELEMENT;
    if (whole_ > most) throw new Error(`${PAD}: size=${whole_} is above the chunk's ${most} bytes`);
    return {
      decode(bytes) {
        if (bytes.length === whole_) return bytes;
        if (bytes.length !== last) {
          const promised = `the tags promise ${whole_}, or ${last} at last`;
          throw new Error(`${PAD}: a block of ${bytes.length} bytes; ${promised}`);
        }
        const out = new Uint8Array(whole_);
        out.set(bytes);
        return out;
      },
    };
  },
  { size: undefined, last: undefined },
);

const REVERSED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let found = 0;
  for (let bit = 0; bit < 8; bit += 1) found |= ((byte >> bit) & 1) << (7 - bit);
  return found;
});

/** FillOrder 2: the lowest bit of each byte comes first. */
export const reverseBits = define("virtual_tiff.reverse_bits", "bytes_to_bytes", () => ({
  decode: (bytes) => bytes.map((byte) => REVERSED[byte]),
}));
