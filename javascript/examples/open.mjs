// A published cube in a browser: Icechunk as WebAssembly reads the repository, over HTTP with CORS.
import { Repository } from "@earthmover/icechunk";
import { createFetchStorage } from "@earthmover/icechunk/fetch-storage";
import { createHttpVirtualChunkFetcher } from "@earthmover/icechunk/http-virtual-chunks";
import { registerCodecs } from "virtual-tiff-codecs";
import * as zarr from "zarrita";

registerCodecs(zarr.registry);

// The store of a repository; `files` is the prefix of the sources that `publish` prints
export async function openStore(url, files) {
  const access = { [files]: { type: "HttpAccess" } };
  const repository = await Repository.open(createFetchStorage(url), undefined, access);
  await repository.setHttpVirtualChunkFetcher(createHttpVirtualChunkFetcher());
  return (await repository.readonlySession({ branch: "main" })).store;
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
