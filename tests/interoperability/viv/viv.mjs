// An OME-Zarr image in viv: index.html?source=URL. The raster of a plane is `raster(level, selection)`.
import { Deck, OrthographicView } from "@deck.gl/core";
import { ColorPaletteExtension, loadOmeZarr, MultiscaleImageLayer } from "@hms-dbmi/viv";

const source = new URLSearchParams(location.search).get("source");
const { data, metadata } = await loadOmeZarr(source, { type: "multiscales" });
window.metadata = metadata;
window.raster = async (level, selection) => {
  const { data: values, width, height } = await data[level].getRaster({ selection });
  return [height, width, Array.from(values)];
};
const channels = metadata.omero.channels;
const [height, width] = data[0].shape.slice(-2);
const layer = new MultiscaleImageLayer({
  id: "image",
  viewportId: "detail",
  loader: data,
  extensions: [new ColorPaletteExtension()],
  selections: channels.map((_, c) => ({ c, z: 0 })),
  channelsVisible: channels.map(() => true),
  contrastLimits: channels.map(({ window }) => [window.start, window.end]),
  colors: channels.map(({ color }) => [0, 2, 4].map((at) => parseInt(color.slice(at, at + 2), 16))),
  onViewportLoad: () => setTimeout(() => (document.title = "drawn"), 500),
});
new Deck({
  parent: document.querySelector("#deck"),
  width: 600,
  height: 400,
  views: new OrthographicView({ id: "detail", controller: true }),
  initialViewState: { target: [width / 2, height / 2, 0], zoom: Math.log2(400 / height) },
  layers: [layer],
});
