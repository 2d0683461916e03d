// A published cube in OpenLayers, as GeoZarr.
//
// index.html?repository=URL&files=URL&array=NAME&time=N&low=N&high=N[&group=PATH]: the Icechunk
// repository, the prefix of the files that it refers to, the array, the position along the time, the
// values that are black and white, and the group of the pyramid or stack. A cube that a server shows as
// Zarr over HTTP has one parameter in place of the first two: url=URL.
import "ol/ol.css";
import Map from "ol/Map.js";
import ScaleLine from "ol/control/ScaleLine.js";
import TileLayer from "ol/layer/WebGLTile.js";
import GeoZarr from "ol/source/GeoZarr.js";
import { fetchFrom, openStore } from "../open.mjs"; // and the codecs, which OpenLayers' zarrita takes

const wanted = new URLSearchParams(location.search);
const url = wanted.get("url") ?? "https://cube.invalid/";
if (wanted.has("repository")) {
  fetchFrom(await openStore(wanted.get("repository"), wanted.get("files")), url);
}

const [low, high, time] = ["low", "high", "time"].map((name) => Number(wanted.get(name)));
const source = new GeoZarr({
  url: url + (wanted.get("group") ?? ""),
  bands: [wanted.get("array")],
  dimensions: { time },
  transition: 0,
});
const level = ["/", ["-", ["band", 1], low], high - low];
const layer = new TileLayer({ source, style: { color: ["array", level, level, level, 1] } });
const map = new Map({ target: "map", layers: [layer], view: source.getView() });
map.addControl(new ScaleLine());
map.on("rendercomplete", () => (document.title = "drawn"));
Object.assign(window, { map, source }); // for the console
