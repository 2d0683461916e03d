// The codecs of virtual_tiff's Zarr stores that zarrita lacks.
//
//   import * as zarr from "zarrita";
//   import { registerCodecs } from "virtual-tiff-codecs";
//   registerCodecs(zarr.registry);
//
// Names and configurations are those that the metadata of the arrays have. All codecs read;
// none writes. Damaged data end in an Error, and no codec allocates more than the block that
// the metadata promise.

import { lzw, packbits, pad, reverseBits } from "./src/compressions.mjs";
import { HOOKED, imageCodec, PLATFORM, shortImage } from "./src/images.mjs";
import { bits, delta, float24, floatpred, packints } from "./src/samples.mjs";
import { ycbcr } from "./src/ycbcr.mjs";

export { registerImageDecoder } from "./src/images.mjs";

/** Codecs that are written here, by name. */
const OWN = {
  imagecodecs_delta: delta,
  imagecodecs_float24: float24,
  imagecodecs_floatpred: floatpred,
  imagecodecs_lzw: lzw,
  imagecodecs_packbits: packbits,
  imagecodecs_packints: packints,
  "virtual_tiff.bits": bits,
  "virtual_tiff.pad": pad,
  "virtual_tiff.reverse_bits": reverseBits,
  "virtual_tiff.short_image": shortImage,
  "virtual_tiff.ycbcr": ycbcr,
};

/**
 * The names of all codecs, by what decodes them: this module; the browser, or a registered
 * decoder; a registered decoder alone.
 */
export const codecNames = Object.freeze({
  own: Object.freeze(Object.keys(OWN)),
  platform: Object.freeze([...PLATFORM]),
  hooked: Object.freeze([...HOOKED]),
});

/**
 * Add the codecs to zarrita's registry. What is registered under their names stays.
 *
 * @param {Map<string, () => unknown>} registry `zarr.registry` of the zarrita that reads.
 */
export function registerCodecs(registry) {
  const images = [...PLATFORM, ...HOOKED].map((name) => [name, imageCodec(name)]);
  for (const [name, codec] of [...Object.entries(OWN), ...images]) {
    if (!registry.has(name)) registry.set(name, () => codec);
  }
}
