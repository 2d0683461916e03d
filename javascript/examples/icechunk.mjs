// A worker that reads an Icechunk repository over HTTP with CORS, for `open.mjs`.
//
// Icechunk is WebAssembly whose threads wait for each other's locks. A page's own thread may not wait
// ("Atomics.wait cannot be called in this context"), a worker may.
import { Repository } from "@earthmover/icechunk";
import { createFetchStorage } from "@earthmover/icechunk/fetch-storage";
import { createHttpVirtualChunkFetcher } from "@earthmover/icechunk/http-virtual-chunks";

let store;
const calls = {
  async open(url, files) {
    const access = { [files]: { type: "HttpAccess" } };
    const repository = await Repository.open(createFetchStorage(url), undefined, access);
    await repository.setHttpVirtualChunkFetcher(createHttpVirtualChunkFetcher());
    store = (await repository.readonlySession({ branch: "main" })).store;
  },
  get: (key) => store.get(key),
  getRange: (key, range) => store.getRange(key, range),
};

addEventListener("message", async ({ data: { id, name, args } }) => {
  try {
    postMessage({ id, value: await calls[name](...args) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
});
postMessage({}); // it listens now
