// Reads what one JSON request asks for with zarrita, and writes one JSON answer.
//
// Request: { store, attributes: [path], reads: [{ array, selection: [[start, stop] | null] }] }
// store:   { kind: "files", path } | { kind: "http", url }
//        | { kind: "icechunk", url, branch, containers: [url prefix] }
// Answer:  { attributes: { path: {…} }, reads: [{ dtype, shape, stride, data: base64 }] }
import { readFileSync } from "node:fs";
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

async function read(root, { array, selection }) {
  const opened = await zarr.open.v3(root.resolve(array), { kind: "array" });
  const wanted = selection && selection.map((s) => s && zarr.slice(s[0], s[1]));
  const { data, shape, stride } = await zarr.get(opened, wanted);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: opened.dtype, shape, stride, data: bytes.toString("base64") };
}

const request = JSON.parse(readFileSync(0, "utf8"));
const root = zarr.root(await stores[request.store.kind](request.store));
const answer = { attributes: {}, reads: [] };
for (const path of request.attributes) {
  answer.attributes[path] = (await zarr.open.v3(root.resolve(path))).attrs;
}
for (const wanted of request.reads) answer.reads.push(await read(root, wanted));
// Icechunk's threads would keep the process alive
process.stdout.write(JSON.stringify(answer), () => process.exit(0));
