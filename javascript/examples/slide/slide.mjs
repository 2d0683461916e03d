// A slide in the browser: levels and tiles of a published cube, read as they are needed.
//
// index.html?repository=URL&files=URL&group=PATH: the Icechunk repository, the prefix of the files
// that it refers to (both over HTTP with CORS), and the group of the slide.
import * as zarr from "zarrita";
import { openStore } from "../open.mjs";

const canvas = document.querySelector("canvas");
const wanted = new URLSearchParams(location.search);

// Each level: its array, and where its pixels lie, by OME-Zarr's attributes
async function openLevels(store, path) {
  const group = await zarr.open.v3(zarr.root(store).resolve(path), { kind: "group" });
  const [{ axes, datasets }] = group.attrs.ome.multiscales;
  const [c, y, x] = ["channel", "y", "x"].map((name) =>
    axes.findIndex((axis) => axis.name === name || axis.type === name));
  const levels = datasets.map(async ({ path, coordinateTransformations: [{ scale }, moved] }) => {
    const array = await zarr.open.v3(group.resolve(path), { kind: "array" });
    const at = moved ? moved.translation : scale.map(() => 0);
    // OME-Zarr's place of a pixel is that of its middle
    const corner = [y, x].map((axis) => at[axis] - scale[axis] / 2);
    return { array, c, y, x, corner, pixel: [scale[y], scale[x]], tiles: new Map() };
  });
  return { levels: await Promise.all(levels), unit: axes[x].unit };
}

// A tile as a bitmap; asked for once
function tileOf(level, row, column) {
  const key = `${row},${column}`;
  if (!level.tiles.has(key)) level.tiles.set(key, readTile(level, row, column));
  return level.tiles.get(key);
}

async function readTile({ array, c, y, x }, row, column) {
  const part = (axis, number) => {
    const start = number * array.chunks[axis];
    return zarr.slice(start, Math.min(start + array.chunks[axis], array.shape[axis]));
  };
  const selection = array.shape.map((_, axis) =>
    axis === y ? part(y, row) : axis === x ? part(x, column) : axis === c ? null : 0);
  const { data, shape, stride } = await zarr.get(array, selection);
  const [sample, down, right] = [c, y, x].map((axis) =>
    axis < 0 ? -1 : selection.slice(0, axis).filter((one) => one !== 0).length);
  const image = new ImageData(shape[right], shape[down]);
  for (let i = 0, to = 0; i < image.height; i++) {
    for (let j = 0; j < image.width; j++) {
      for (let s = 0; s < 3; s++) {
        const step = sample < 0 ? 0 : Math.min(s, shape[sample] - 1) * stride[sample];
        image.data[to++] = data[i * stride[down] + j * stride[right] + step];
      }
      image.data[to++] = 255;
    }
  }
  return createImageBitmap(image);
}

const slide = await openLevels(
  await openStore(wanted.get("repository"), wanted.get("files")), wanted.get("group"));
const view = { left: 0, top: 0, size: 1 }; // of the window's corner, and the size of its pixels
let drawing = 0;

async function draw() {
  const turn = ++drawing;
  document.title = "drawing";
  const ratio = window.devicePixelRatio;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const size = view.size / ratio;
  // the coarsest level whose pixels are no larger than the screen's
  const fine = slide.levels.findLast(({ pixel }) => pixel[1] <= size * 1.01) ?? slide.levels[0];
  const { array, y, x, corner, pixel } = fine;
  const range = (axis, from, count, start, step) => {
    const [block, tiles] = [array.chunks[axis], Math.ceil(array.shape[axis] / array.chunks[axis])];
    const first = Math.floor((from - start) / step / block);
    const last = Math.floor((from + count * size - start) / step / block);
    const numbers = [];
    for (let n = Math.max(first, 0); n <= Math.min(last, tiles - 1); n++) numbers.push(n);
    return numbers;
  };
  const rows = range(y, view.top, height, corner[0], pixel[0]);
  const columns = range(x, view.left, width, corner[1], pixel[1]);
  await Promise.all(rows.flatMap((row) => columns.map(async (column) => {
    const tile = await tileOf(fine, row, column);
    if (turn !== drawing) return; // the view has moved meanwhile
    const place = (start, number, axis, step, from) =>
      (start + number * array.chunks[axis] * step - from) / size;
    context.drawImage(
      tile,
      place(corner[1], column, x, pixel[1], view.left),
      place(corner[0], row, y, pixel[0], view.top),
      (tile.width * pixel[1]) / size,
      (tile.height * pixel[0]) / size,
    );
  })));
  if (turn !== drawing) return;
  drawScale();
  document.querySelector("#state").textContent =
    `level ${slide.levels.indexOf(fine)}, ${rows.length * columns.length} tiles`;
  document.title = "drawn";
}

function drawScale() {
  const length = 10 ** Math.floor(Math.log10(view.size * 200));
  const scale = document.querySelector("#scale");
  scale.style.width = `${length / view.size}px`;
  scale.textContent = `${length} ${slide.unit === "micrometer" ? "µm" : slide.unit ?? "pixels"}`;
}

function fit() {
  const { array, y, x, corner, pixel } = slide.levels[0];
  const [height, width] = [array.shape[y] * pixel[0], array.shape[x] * pixel[1]];
  view.size = Math.max(width / canvas.clientWidth, height / canvas.clientHeight);
  view.left = corner[1] - (canvas.clientWidth * view.size - width) / 2;
  view.top = corner[0] - (canvas.clientHeight * view.size - height) / 2;
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const factor = 1.2 ** Math.sign(event.deltaY);
  view.left += event.offsetX * view.size * (1 - factor);
  view.top += event.offsetY * view.size * (1 - factor);
  view.size *= factor;
  draw();
}, { passive: false });
canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  view.left -= event.movementX * view.size;
  view.top -= event.movementY * view.size;
  draw();
});
window.addEventListener("resize", draw);
Object.assign(window, { slide, view, draw }); // for the console
fit();
await draw();
