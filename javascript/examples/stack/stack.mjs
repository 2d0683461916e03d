// The images of a published stack in a browser, with a slider for the time.
//
// index.html?repository=URL&files=URL&array=NAME[&group=PATH]: the Icechunk repository, the prefix of
// the files that it refers to (both over HTTP with CORS), the array, and the group that it is in.
import * as zarr from "zarrita";
import { openStore } from "../open.mjs";

const wanted = new URLSearchParams(location.search);
const store = await openStore(wanted.get("repository"), wanted.get("files"));
const root = zarr.root(store).resolve(wanted.get("group") ?? "");
const group = await zarr.open.v3(root, { kind: "group" });
const [canvas, slider, label] = ["canvas", "input", "output"].map((name) => document.querySelector(name));

const openArray = (path) => zarr.open.v3(group.resolve(path), { kind: "array" });

// A pyramid lists its levels, the full image first; a plain group has one
const layout = group.attrs.multiscales?.layout ?? [{ asset: "" }];
const levels = await Promise.all(layout.map(async ({ asset }) => {
  const inGroup = (name) => (asset ? `${asset}/${name}` : name);
  const array = await openArray(inGroup(wanted.get("array")));
  const names = array.dimensionNames;
  const axis = (name) => names.findIndex((each) => each === name || each?.replace(/_\d+$/, "") === name);
  return { array, time: axis("time"), band: axis("band"), y: axis("y"), x: axis("x"), inGroup };
}));

// Times are microseconds since 1970
async function readTimes({ time, inGroup }) {
  if (time < 0) return [];
  const { data } = await zarr.get(await openArray(inGroup("time")));
  return Array.from(data, (value) => new Date(Number(value / 1000n)));
}

// An image of a level as numbers; `at` is the position along the time
async function readImage({ array, time, band, y, x }, at) {
  const { data, shape, stride } = await zarr.get(array, array.shape.map((_, axis) =>
    axis === time ? at : axis === band || axis === y || axis === x ? null : 0));
  const kept = array.shape.map((_, axis) => axis).filter((axis) => [band, y, x].includes(axis));
  const of = (axis) => kept.indexOf(axis);
  const [height, width] = [shape[of(y)], shape[of(x)]];
  const bands = band < 0 ? 1 : shape[of(band)];
  const index = (i, j, b) =>
    i * stride[of(y)] + j * stride[of(x)] + (band < 0 ? 0 : b * stride[of(band)]);
  return { data, height, width, bands, index };
}

let range; // of the values that are shown as black and white

async function draw() {
  document.title = "drawing";
  const at = Number(slider.value);
  // the coarsest level with a pixel for each of the screen's
  const { clientWidth, clientHeight } = canvas;
  const level = levels.findLast(({ array, y, x }) =>
    array.shape[y] >= clientHeight || array.shape[x] >= clientWidth) ?? levels[0];
  const { data, height, width, bands, index } = await readImage(level, at);
  const colour = bands >= 3;
  range ??= data instanceof Uint8Array ? [0, 255]
    : data.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const image = new ImageData(width, height);
  for (let i = 0, to = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      for (let b = 0; b < 3; b++) {
        const value = data[index(i, j, colour ? b : 0)];
        image.data[to++] = (255 * (value - range[0])) / (range[1] - range[0]);
      }
      image.data[to++] = 255;
    }
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  label.textContent = times[at]?.toISOString().slice(0, 10) ?? "";
  document.title = "drawn";
}

const times = await readTimes(levels[0]);
slider.max = Math.max(times.length - 1, 0);
slider.addEventListener("input", draw);
window.addEventListener("resize", draw);
Object.assign(window, { levels, readImage, draw }); // for the console
await draw();
