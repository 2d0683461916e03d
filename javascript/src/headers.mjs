// What the headers of JPEG, PNG and WebP say, and JPEG streams that say all of themselves.

/**
 * Width, height and, of a JPEG, the samples and their bits. It throws where the bytes are no
 * such image: nothing is decoded before its size is known to fit.
 */
export function header(kind, bytes) {
  const found = { jpeg, png, webp }[kind](bytes);
  if (!found?.width || !found.height) throw new Error(`the block is no ${kind} image`);
  return found;
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

function png(bytes) {
  if (bytes.length < 29 || text(bytes, 1, 4) !== "PNG" || text(bytes, 12, 16) !== "IHDR") return null;
  const data = view(bytes);
  return { width: data.getUint32(16), height: data.getUint32(20), bits: data.getUint8(24) };
}

function webp(bytes) {
  if (bytes.length < 30 || text(bytes, 0, 4) !== "RIFF" || text(bytes, 8, 12) !== "WEBP") return null;
  const data = view(bytes);
  const u24 = (at) => data.getUint16(at, true) | (data.getUint8(at + 2) << 16);
  switch (text(bytes, 12, 16)) {
    case "VP8 ":
      return { width: data.getUint16(26, true) & 0x3fff, height: data.getUint16(28, true) & 0x3fff };
    case "VP8L": {
      const packed = data.getUint32(21, true);
      return { width: (packed & 0x3fff) + 1, height: ((packed >> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: u24(24) + 1, height: u24(27) + 1 };
    default:
      return null;
  }
}

function jpeg(bytes) {
  for (const { marker, from, to } of segments(bytes)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame && to - from >= 6) {
      const data = view(bytes.subarray(from, to));
      const [bits, samples] = [data.getUint8(0), data.getUint8(5)];
      return { width: data.getUint16(3), height: data.getUint16(1), bits, samples };
    }
  }
  return null;
}

/** The segments from behind SOI to the scan: marker, and where its data lie. */
function* segments(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Error("the block is no jpeg image");
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) throw new Error("the JPEG stream has bytes between its segments");
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    if (marker === 0xd9) return;
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (end < at + 4 || end > bytes.length) throw new Error("the JPEG stream is cut off");
    yield { marker, start: at, from: at + 4, to: end };
    if (marker === 0xda) return;
    at = end;
  }
}

const SCAN = 0xda;
const ADOBE = 0xee;
const isApplication = (marker) => marker >= 0xe0 && marker <= 0xef;
/** Adobe's marker, which says whether three components are RGB (0) or YCbCr (1). */
const adobe = (transform) => [0xff, ADOBE, 0, 14, 65, 100, 111, 98, 101, 0, 100, 0, 0, 0, 0, transform];

/**
 * Put its header and JPEGTables into a stream, and what the metadata say of its colours.
 *
 * A restart interval, the tile of an NDPI, has its header in the metadata, and ends with the marker
 * of the next one.
 *
 * Profiles, orientations and the like would let a browser change the pixels: they go.
 */
export function completeJpeg(interval, { header: start, tables, colorspace_jpeg: colours }) {
  const bytes = start ? joined([decoded(start), interval, [0xff, 0xd9]]) : interval;
  const transform = { RGB: 0, YCbCr: 1 }[colours];
  const keeps = new Set(transform === undefined ? [0xe0, ADOBE] : []);
  const parts = [[0xff, 0xd8]];
  if (transform !== undefined) parts.push(adobe(transform));
  if (tables) {
    const stream = decoded(tables);
    for (const { start, to } of segments(stream)) parts.push(stream.subarray(start, to));
  }
  for (const { marker, start, to } of segments(bytes)) {
    if (marker === SCAN) parts.push(bytes.subarray(start));
    else if (!isApplication(marker) || keeps.has(marker)) parts.push(bytes.subarray(start, to));
  }
  return joined(parts);
}

const decoded = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
