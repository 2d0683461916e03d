// Images of a stack or a pyramid: arrays of (time, band, y, x), the first two of which may be missing.
import * as zarr from "zarrita";

// The levels of a group, the full image first: a pyramid lists them, a plain group has one
export async function openLevels(group, name) {
  const layout = group.attrs.multiscales?.layout ?? [{ asset: "" }];
  return Promise.all(layout.map(async ({ asset, ...place }) => {
    const path = (each) => (asset ? `${asset}/${each}` : each);
    const array = await zarr.open.v3(group.resolve(path(name)), { kind: "array" });
    // dimensions of one name and several sizes are numbered: y_1
    const names = array.dimensionNames.map((each) => each.replace(/_\d+$/, ""));
    const [time, band, y, x] = ["time", "band", "y", "x"].map((each) => names.indexOf(each));
    return { array, time, band, y, x, path, transform: (place["spatial:transform"] ? place : array.attrs)["spatial:transform"] };
  }));
}

// Times are microseconds since 1970
export async function readTimes(group, { time, path }) {
  if (time < 0) return [];
  const { data } = await zarr.get(await zarr.open.v3(group.resolve(path("time")), { kind: "array" }));
  return Array.from(data, (value) => new Date(Number(value / 1000n)));
}

// The image at a position along the time: its numbers, and where each of them is
export async function readImage({ array, time, band, y, x }, at) {
  const shown = [band, y, x];
  const { data, shape, stride } = await zarr.get(array, array.shape.map((_, axis) =>
    axis === time ? at : shown.includes(axis) ? null : 0));
  const kept = array.shape.map((_, axis) => axis).filter((axis) => shown.includes(axis));
  const [b, i, j] = shown.map((axis) => kept.indexOf(axis));
  return {
    data,
    height: shape[i],
    width: shape[j],
    bands: b < 0 ? 1 : shape[b],
    index: (row, column, sample) =>
      row * stride[i] + column * stride[j] + (b < 0 ? 0 : sample * stride[b]),
  };
}

// Three bands as colours, one as grey; `low` is black, `high` is white
export function asImageData({ data, height, width, bands, index }, [low, high]) {
  const image = new ImageData(width, height);
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let sample = 0; sample < 3; sample++) {
        const value = data[index(row, column, bands < 3 ? 0 : sample)];
        image.data[to++] = (255 * (value - low)) / (high - low);
      }
      image.data[to++] = 255;
    }
  }
  return image;
}

// The values that are black and white: those of 8 bits, or the smallest and the largest one
export function rangeOf({ data }) {
  if (data instanceof Uint8Array) return [0, 255];
  return data.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
