// What a codec learns from zarrita: where it stands, and the chunk at that place.

const ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: globalThis.Float16Array, // of newer platforms
  float32: Float32Array,
  float64: Float64Array,
};

export const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The product of a shape's lengths. */
export const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** The typed array of a data type. */
export function arrayOf(dataType) {
  const found = ARRAYS[dataType];
  if (!found) throw new Error(`the data type ${dataType} has no typed array here`);
  return found;
}

/**
 * Make a codec as zarrita's registry wants it.
 *
 * @param {string} name As in the metadata.
 * @param {"array_to_array" | "array_to_bytes" | "bytes_to_bytes"} kind
 * @param {(settings: object, place: object) => { decode: Function }} make Called once an array.
 *   `place` has the chunk's `shape` as it is stored at this step, its `arrayShape`, its
 *   `dataType`, and the codec `before` this one, on the side of the array.
 * @param {object | null} defaults Settings that may be absent; the value `undefined` marks one
 *   that must not be. `null`: the codec looks at its settings itself.
 */
export function define(name, kind, make, defaults = {}) {
  return {
    kind,
    fromConfig(configuration, meta) {
      const settings = defaults ? checked(name, configuration ?? {}, defaults) : configuration ?? {};
      const codec = make(settings, place(name, configuration, meta));
      return { kind, encode: () => refuse(name), ...codec };
    },
  };
}

function refuse(name) {
  throw new Error(`${name} reads TIFFs and does not write`);
}

/** Settings and their defaults; unknown ones would mean something that is not done. */
export function checked(name, configuration, defaults) {
  const unknown = Object.keys(configuration).filter((key) => !(key in defaults));
  if (unknown.length) throw new Error(`${name} does not know the setting ${unknown.join(", ")}`);
  const settings = { ...defaults, ...configuration };
  const missing = Object.keys(defaults).filter((key) => settings[key] === undefined);
  if (missing.length) throw new Error(`${name} needs the setting ${missing.join(", ")}`);
  return settings;
}

/** Refuse a setting that is not a whole number of at least `least`. */
export function whole(name, key, value, least = 1) {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`${name}: ${key}=${value} must be a whole number of at least ${least}`);
  }
}

function place(name, configuration, meta) {
  // the object itself says which of two codecs of one name this is
  const same = (codec) => configuration !== undefined && codec.configuration === configuration;
  const named = (codec) => codec.name === name;
  const found = meta.codecs.findIndex(same);
  const at = found < 0 ? meta.codecs.findIndex(named) : found;
  const earlier = meta.codecs.slice(0, Math.max(at, 0));
  let shape = meta.shape;
  // zarrita gives every codec the array's shape; what lies behind a transpose has its axes moved
  for (const codec of earlier.filter((one) => one.name === "transpose")) {
    const before = shape;
    shape = codec.configuration.order.map((axis) => before[axis]);
  }
  return {
    shape,
    arrayShape: meta.shape,
    dataType: meta.dataType,
    before: earlier.at(-1),
    later: meta.codecs.slice(at + 1),
  };
}

/** A decoded chunk as zarrita wants it: in C order, of the array's shape. */
export function chunk(data, { arrayShape }) {
  const stride = new Array(arrayShape.length);
  arrayShape.reduceRight((step, length, axis) => {
    stride[axis] = step;
    return step * length;
  }, 1);
  return { data, shape: arrayShape, stride };
}

/** Bytes as an array of the chunk's data type; they must fill it. */
export function asArray(bytes, name, { shape, dataType }) {
  const Typed = arrayOf(dataType);
  const promised = size(shape) * Typed.BYTES_PER_ELEMENT;
  if (bytes.length !== promised) {
    throw new Error(`${name}: a block of ${bytes.length} bytes; the tags promise ${promised}`);
  }
  const aligned = bytes.byteOffset % Typed.BYTES_PER_ELEMENT ? bytes.slice() : bytes;
  return new Typed(aligned.buffer, aligned.byteOffset, size(shape));
}

/** Split a shape at an axis, counted from the end or not: [before, length, behind]. */
export function split(name, shape, axis) {
  const at = axis < 0 ? shape.length + axis : axis;
  if (!Number.isInteger(at) || at < 0 || at >= shape.length) {
    throw new Error(`${name}: a chunk of shape [${shape}] has no axis ${axis}`);
  }
  return [size(shape.slice(0, at)), shape[at], size(shape.slice(at + 1))];
}
