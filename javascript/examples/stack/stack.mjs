// The images of a published stack in a browser, with a slider for the time.
//
// index.html?repository=URL&files=URL&array=NAME[&group=PATH]: the Icechunk repository, the prefix of
// the files that it refers to (both over HTTP with CORS), the array, and the group that it is in.
import * as zarr from "zarrita";
import { asImageData, openLevels, rangeOf, readImage, readTimes } from "../images.mjs";
import { openStore } from "../open.mjs";

const wanted = new URLSearchParams(location.search);
const store = await openStore(wanted.get("repository"), wanted.get("files"));
const root = zarr.root(store).resolve(wanted.get("group") ?? "");
const group = await zarr.open.v3(root, { kind: "group" });
const levels = await openLevels(group, wanted.get("array"));
const times = await readTimes(group, levels[0]);
const [canvas, slider, label] = ["canvas", "input", "output"].map((name) => document.querySelector(name));
let range; // the same at all times

async function draw() {
  document.title = "drawing";
  const at = Number(slider.value);
  // the coarsest level with a pixel for each of the screen's
  const { clientWidth, clientHeight } = canvas;
  const level = levels.findLast(({ array, y, x }) =>
    array.shape[y] >= clientHeight || array.shape[x] >= clientWidth) ?? levels[0];
  const image = await readImage(level, at);
  range ??= rangeOf(image);
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(asImageData(image, range), 0, 0);
  label.textContent = times[at]?.toISOString().slice(0, 10) ?? "";
  document.title = "drawn";
}

slider.max = Math.max(times.length - 1, 0);
slider.addEventListener("input", draw);
window.addEventListener("resize", draw);
Object.assign(window, { levels, readImage, draw }); // for the console
await draw();
