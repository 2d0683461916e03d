// A published cube in a browser: Icechunk in a worker reads the repository, over HTTP with CORS.
import { registerCodecs } from "virtual-tiff-codecs";
import * as zarr from "zarrita";

registerCodecs(zarr.registry);

// The store of a repository; `files` is the prefix of the sources that `publish` prints
export async function openStore(url, files) {
  // `icechunk.mjs`, bundled by itself
  const worker = new Worker(new URL("../icechunk.js", import.meta.url), { type: "module" });
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = () => reject(new Error("the worker icechunk.js cannot be loaded"));
  });
  const waiting = [];
  worker.onmessage = ({ data: { id, value, error } }) => {
    if (error === undefined) waiting[id].resolve(value);
    else waiting[id].reject(new Error(error));
    delete waiting[id];
  };
  const call = (name, ...args) => new Promise((resolve, reject) => {
    worker.postMessage({ id: waiting.push({ resolve, reject }) - 1, name, args });
  });
  await call("open", url, files);
  return { get: (key) => call("get", key), getRange: (key, range) => call("getRange", key, range) };
}

// For libraries that take an url and no store: what is fetched below `prefix` comes from the store
export function fetchFrom(store, prefix) {
  const online = globalThis.fetch;
  globalThis.fetch = async (request, options) => {
    const url = request instanceof Request ? request.url : String(request);
    if (!url.startsWith(prefix)) return online(request, options);
    const bytes = await store.get(new URL(url).pathname);
    return new Response(bytes ?? null, { status: bytes ? 200 : 404 });
  };
}
