// Reads what one JSON request asks for with zarrita, and writes one JSON answer.
//
// Request: { store, attributes: [path], reads: [{ array, selection: [[start, stop] | null] }],
//            into, codecs, canvas }
// store:   { kind: "files", path } | { kind: "http", url }
//        | { kind: "icechunk", url, branch, containers: [url prefix] }
// into:    a folder: the data of read number n become its file n
// codecs:  null, or the path of a module with a function registerCodecs
// canvas:  null, or a folder with @napi-rs/canvas, which then stands for a browser's canvas
// Answer:  { attributes: { path: {…} }, reads: [{ dtype, shape, stride } | { error }] }
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import * as zarr from "zarrita";

async function icechunk({ url, branch, containers }) {
  const { Repository } = await import("@earthmover/icechunk");
  const { createFetchStorage } = await import("@earthmover/icechunk/fetch-storage");
  const { createHttpVirtualChunkFetcher } = await import("@earthmover/icechunk/http-virtual-chunks");
  const access = Object.fromEntries(containers.map((prefix) => [prefix, { type: "HttpAccess" }]));
  const repository = await Repository.open(createFetchStorage(url), undefined, access);
  await repository.setHttpVirtualChunkFetcher(createHttpVirtualChunkFetcher());
  return (await repository.readonlySession({ branch })).store;
}

const stores = {
  files: async ({ path }) => new (await import("@zarrita/storage/fs")).default(path),
  http: async ({ url }) => new zarr.FetchStore(url),
  icechunk,
};

function likeABrowser(folder) {
  const { createCanvas, loadImage } = createRequire(`${folder}/`)("@napi-rs/canvas");
  globalThis.createImageBitmap = async (blob) => loadImage(Buffer.from(await blob.arrayBuffer()));
  globalThis.OffscreenCanvas = function (width, height) {
    return createCanvas(width, height);
  };
}

async function read(root, { array, selection }, file) {
  const opened = await zarr.open.v3(root.resolve(array), { kind: "array" });
  const wanted = selection && selection.map((s) => s && zarr.slice(s[0], s[1]));
  const { data, shape, stride } = await zarr.get(opened, wanted);
  writeFileSync(file, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return { dtype: opened.dtype, shape, stride };
}

const messages = (error) => (error ? [error.message, ...messages(error.cause)] : []);

// of several chunks that fail zarrita waits for one; the error of the others is the same
process.on("unhandledRejection", () => {});

const request = JSON.parse(readFileSync(0, "utf8"));
if (request.canvas) likeABrowser(request.canvas);
if (request.codecs) {
  const { registerCodecs } = await import(pathToFileURL(request.codecs));
  registerCodecs(zarr.registry);
}
const root = zarr.root(await stores[request.store.kind](request.store));
const answer = { attributes: {}, reads: [] };
for (const path of request.attributes) {
  answer.attributes[path] = (await zarr.open.v3(root.resolve(path))).attrs;
}
for (const [number, wanted] of request.reads.entries()) {
  try {
    answer.reads.push(await read(root, wanted, `${request.into}/${number}`));
  } catch (error) {
    answer.reads.push({ error: messages(error).join(": ") });
  }
}
// Icechunk's threads would keep the process alive
process.stdout.write(JSON.stringify(answer), () => process.exit(0));
