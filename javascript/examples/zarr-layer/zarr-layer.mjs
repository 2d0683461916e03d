// A published cube on MapLibre's map, by carbonplan's zarr-layer.
//
// index.html?repository=URL&files=URL&array=NAME&time=N&low=N&high=N&proj4=DEFINITION[&group=PATH]:
// the Icechunk repository, the prefix of the files that it refers to, the array, the position along
// the time, the values that are black and white, the CRS, and the group of the pyramid or stack.
import "maplibre-gl/dist/maplibre-gl.css";
import { ZarrLayer } from "@carbonplan/zarr-layer";
import { Map } from "maplibre-gl";
import proj4 from "proj4";
import * as zarr from "zarrita";
import { openStore } from "../open.mjs";

const wanted = new URLSearchParams(location.search);
const whole = await openStore(wanted.get("repository"), wanted.get("files"));
const group = wanted.get("group") ?? "";
const store = group ? { get: (key) => whole.get(`/${group}${key}`) } : whole;
const { attrs } = await zarr.open.v3(zarr.root(store), { kind: "group" });

let loading = true;
const layer = new ZarrLayer({
  id: "cube",
  store,
  zarrVersion: 3,
  variable: wanted.get("array"),
  selector: { time: { selected: Number(wanted.get("time")), type: "index" } },
  proj4: wanted.get("proj4"),
  bounds: attrs["spatial:bbox"],
  latIsAscending: false,
  clim: [Number(wanted.get("low")), Number(wanted.get("high"))],
  colormap: Array.from({ length: 256 }, (_, n) => [n, n, n]),
  onLoadingStateChange: (state) => {
    loading = state.loading;
    map.triggerRepaint();
  },
});
const style = { version: 8, sources: {}, layers: [] };
const [left, bottom, right, top] = attrs["spatial:bbox"];
const bounds = [[left, bottom], [right, top]].map((corner) => proj4(wanted.get("proj4")).inverse(corner));
const map = new Map({ container: "map", style, bounds, attributionControl: false });
map.on("load", () => map.addLayer(layer));
map.on("idle", () => (document.title = loading ? "loading" : "drawn"));
Object.assign(window, { map, layer }); // for the console
