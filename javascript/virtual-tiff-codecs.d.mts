/** The names of all codecs, by what decodes them: see `README.md`. */
export declare const codecNames: Readonly<Record<"own" | "platform" | "hooked", readonly string[]>>;

/** Add the codecs to `zarr.registry`. What is registered under their names stays. */
export declare function registerCodecs(registry: Map<string, any>): void;

/** What a decoder of images is asked for. */
export interface WantedImage {
  name: string;
  configuration: Record<string, unknown>;
  dataType: string;
  width: number;
  height: number;
  samples: number;
}

/** What it gives: the samples, pixel by pixel, in the chunk's data type. */
export interface DecodedImage {
  data: ArrayLike<number>;
  width: number;
  height: number;
  samples: number;
}

/** Decode the images of a codec by a function of the page's own, also where the browser could. */
export declare function registerImageDecoder(
  name: string,
  decode: (bytes: Uint8Array, wanted: WantedImage) => DecodedImage | Promise<DecodedImage>,
): void;
