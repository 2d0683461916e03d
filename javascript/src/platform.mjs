// Images through what a browser has: createImageBitmap and OffscreenCanvas.

/** Whether this platform decodes images. Node does not. */
export function decodesImages() {
  return typeof createImageBitmap === "function" && typeof OffscreenCanvas === "function";
}

/** Decode a JPEG, PNG or WebP of 8 bits to RGBA. */
export async function decodeOnPlatform(bytes, { kind, width, height }) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type: `image/${kind}` }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close?.();
  const { data } = context.getImageData(0, 0, width, height);
  // a canvas multiplies colours by alpha: what is not opaque does not come back as it was
  for (let at = 3; at < data.length; at += 4) {
    if (data[at] !== 255) {
      throw new Error("a canvas changes pixels that are not opaque: register a decoder");
    }
  }
  return { data: new Uint8Array(data.buffer), width, height, samples: 4 };
}
