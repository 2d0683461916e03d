// Blocks that are images: what decodes them, and how they become chunks.

import { completeJpeg, header } from "./headers.mjs";
import { arrayOf, checked, chunk, define, size, whole } from "./metadata.mjs";
import { decodeOnPlatform, decodesImages } from "./platform.mjs";

const KINDS = { imagecodecs_jpeg: "jpeg", imagecodecs_png: "png", imagecodecs_webp: "webp" };

/** Settings that change what is decoded, by codec; others are refused. */
const SETTINGS = {
  imagecodecs_jpeg: { header: "", tables: "", colorspace_jpeg: "", colorspace_data: "" },
  imagecodecs_png: {},
  imagecodecs_webp: { hasalpha: false },
};

/** Codecs that browsers have; elsewhere a decoder has to be registered. */
export const PLATFORM = Object.keys(KINDS);

/** Codecs that have to be registered everywhere. */
export const HOOKED = [
  "imagecodecs_jpeg2k",
  "imagecodecs_jpegxl",
  "imagecodecs_jpegxr",
  "imagecodecs_lerc",
];

const decoders = new Map();

/**
 * Decode the images of a codec by a function of the page's own, also where the platform could.
 *
 * @param {string} name The codec's: "imagecodecs_jpeg" or "jpeg", and so on.
 * @param {(bytes: Uint8Array, wanted: object) => object | Promise<object>} decode It gives
 *   `{ data, width, height, samples }`, `data` being the samples pixel by pixel in the chunk's
 *   data type. `wanted` has `name`, `configuration`, `dataType`, `width`, `height` and `samples`:
 *   no larger image fits. RGBA will do for fewer samples. A JPEG comes with its header and tables.
 */
export function registerImageDecoder(name, decode) {
  const full = name.startsWith("imagecodecs_") ? name : `imagecodecs_${name}`;
  if (![...PLATFORM, ...HOOKED].includes(full)) {
    throw new Error(`${name} is none of ${[...PLATFORM, ...HOOKED].join(", ")}`);
  }
  decoders.set(full, decode);
}

/** The codec of one kind of image. */
export function imageCodec(name) {
  const make = (configuration, place) => {
    const sizes = imageSizes(place.shape);
    return { decode: (bytes) => decodeImage(bytes, { name, configuration, place, sizes }) };
  };
  return define(name, "array_to_bytes", make, SETTINGS[name] ?? null);
}

const SHORT = "virtual_tiff.short_image";

/** An image with fewer rows at the foot, or columns at the right: zeros fill the chunk. */
export const shortImage = define(
  SHORT,
  "array_to_bytes",
  ({ codec, last, axis, last_columns: lastColumns }, place) => {
    if (![...PLATFORM, ...HOOKED].includes(codec.name)) {
      throw new Error(`${SHORT}: no decoder for ${codec.name}`);
    }
    if (axis !== -2 && axis !== -3) throw new Error(`${SHORT}: axis=${axis} is neither -2 nor -3`);
    whole(SHORT, "last", last);
    const [rows, columns, samples = 1] = place.shape.slice(axis);
    const widths = new Set([columns, lastColumns ?? columns]);
    for (const width of widths) whole(SHORT, "last_columns", width);
    const sizes = [...widths].flatMap((width) =>
      [rows, last].map((height) => ({ height, width, samples })),
    );
    const { name } = codec;
    const configuration = SETTINGS[name]
      ? checked(name, codec.configuration ?? {}, SETTINGS[name])
      : codec.configuration;
    return {
      decode: (bytes) => decodeImage(bytes, { name, configuration, place, sizes }),
    };
  },
  { codec: undefined, last: undefined, axis: -2, last_columns: null },
);

/** The images that fill a chunk; which of the two readings holds, the image knows. */
function imageSizes(shape) {
  const found = [];
  if (size(shape.slice(0, -2)) === 1) {
    found.push({ height: shape.at(-2), width: shape.at(-1), samples: 1 });
  }
  if (shape.length > 2 && size(shape.slice(0, -3)) === 1) {
    const [height, width, samples] = shape.slice(-3);
    found.push({ height, width, samples });
  }
  return found;
}

async function decodeImage(bytes, { name, configuration, place, sizes }) {
  const kind = KINDS[name];
  const stream = kind === "jpeg" ? completeJpeg(bytes, configuration) : bytes;
  const stated = kind && header(kind, stream);
  const fitting = stated ? sizes.filter((one) => fits(one, stated)) : sizes;
  if (!fitting.length) throw unfit(name, stated, sizes);
  const decode = decoders.get(name) ?? platformDecoder(name, { kind, stated, place, sizes });
  const [first] = fitting;
  const wanted = { ...first, name, configuration, dataType: place.dataType };
  const image = await decode(stream, { ...wanted, kind });
  const found = fitting.find((one) => fits(one, { width: image.width, height: image.height }));
  if (!found) throw unfit(name, image, sizes);
  const samples = select(name, image, found, arrayOf(place.dataType));
  return chunk(filled(samples, found, sizes[0], place), place);
}

const fits = (one, { width, height, samples = one.samples }) =>
  one.width === width && one.height === height && one.samples === samples;

function unfit(name, { width, height }, sizes) {
  const promised = sizes.map((one) => `${one.width} x ${one.height}`).join(" or ");
  return new Error(`${name}: an image of ${width} x ${height}; the tags promise ${promised}`);
}

function platformDecoder(name, { kind, stated, place, sizes }) {
  const help = `registerImageDecoder("${name}", decode)`;
  if (!kind || !decodesImages()) {
    throw new Error(`nothing here decodes ${name}: give a decoder to ${help}`);
  }
  const deep = place.dataType !== "uint8" || (stated.bits ?? 8) > 8;
  if (deep || sizes.some(({ samples }) => samples > 4) || stated.samples === 4) {
    const what = `${stated.samples ?? sizes[0].samples} samples of ${place.dataType}`;
    throw new Error(`the platform gives RGBA of uint8, not ${what}: give a decoder to ${help}`);
  }
  return decodeOnPlatform;
}

/** The samples that the chunk has, of those that a decoder gives. */
function select(name, image, { width, height, samples }, Typed) {
  const pixels = width * height;
  const data = image.data instanceof Uint8ClampedArray ? new Uint8Array(image.data) : image.data;
  if (!(data instanceof Typed) || data.length !== pixels * image.samples) {
    throw new Error(`${name}: the decoder gives no ${pixels * image.samples} of ${Typed.name}`);
  }
  if (image.samples === samples) return data;
  if (image.samples !== 4 || samples > 3) {
    throw new Error(`${name}: the decoder gives ${image.samples} samples instead of ${samples}`);
  }
  const taken = samples === 2 ? [0, 3] : [0, 1, 2].slice(0, samples); // gray and alpha
  const found = new Typed(pixels * samples);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    taken.forEach((from, to) => (found[pixel * samples + to] = data[pixel * 4 + from]));
  }
  return found;
}

/** An image within the whole chunk, zeros beside and below it. */
function filled(data, { width, height, samples }, whole_, place) {
  const total = size(place.shape);
  if (data.length === total) return data;
  const found = new data.constructor(total);
  for (let row = 0; row < height; row += 1) {
    const line = data.subarray(row * width * samples, (row + 1) * width * samples);
    found.set(line, row * whole_.width * samples);
  }
  return found;
}
