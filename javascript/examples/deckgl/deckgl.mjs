// An image of a published cube in deck.gl, projected by deck.gl-raster.
//
// index.html?repository=URL&files=URL&array=NAME&time=N&low=N&high=N&proj4=DEFINITION[&group=PATH]:
// as for zarr-layer's page.
import { Deck, WebMercatorViewport } from "@deck.gl/core";
import { RasterLayer } from "@developmentseed/deck.gl-raster";
import proj4 from "proj4";
import * as zarr from "zarrita";
import { asImageData, openLevels, readImage } from "../images.mjs";
import { openStore } from "../open.mjs";

const wanted = new URLSearchParams(location.search);
const store = await openStore(wanted.get("repository"), wanted.get("files"));
const root = zarr.root(store).resolve(wanted.get("group") ?? "");
const group = await zarr.open.v3(root, { kind: "group" });
const [level] = await openLevels(group, wanted.get("array"));
const image = await readImage(level, Number(wanted.get("time")));
const range = ["low", "high"].map((name) => Number(wanted.get(name)));

const [width, , left, , height, top] = level.transform; // north is up
const lonLat = proj4(wanted.get("proj4"), "EPSG:4326");
const layer = new RasterLayer({
  id: "cube",
  width: image.width,
  height: image.height,
  renderPipeline: asImageData(image, range),
  // no light and shade
  _subLayerProps: { raster: { material: { ambient: 1, diffuse: 0, specularColor: [0, 0, 0] } } },
  reprojectionFns: {
    forwardTransform: (x, y) => [left + x * width, top + y * height],
    inverseTransform: (x, y) => [(x - left) / width, (y - top) / height],
    forwardReproject: (x, y) => lonLat.forward([x, y], false),
    inverseReproject: (x, y) => lonLat.inverse([x, y], false),
  },
});
const [west, south, east, north] = group.attrs["spatial:bbox"];
const corners = [[west, south], [east, north]].map((corner) => lonLat.forward(corner));
const viewport = new WebMercatorViewport({ width: innerWidth, height: innerHeight }).fitBounds(corners);
const { longitude, latitude, zoom } = viewport;
const deck = new Deck({
  parent: document.querySelector("#map"),
  controller: true,
  initialViewState: { longitude, latitude, zoom },
  layers: [layer],
  onAfterRender: () => setTimeout(() => (document.title = "drawn"), 500),
});
Object.assign(window, { deck, viewport }); // for the console
