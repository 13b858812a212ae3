// What it takes to load a page for the first time: bytes over the network, and the time until something is painted.

/** Loads the path in a page of its own, without a cache. Bytes are those that came, headers and compression as they were. */
export async function load(context, path) {
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  network.on("Network.loadingFinished", (finished) => {
    bytes += finished.encodedDataLength;
  });
  await page.goto(path, { waitUntil: "networkidle" });
  const paint = await page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => {
          const [first] = list.getEntriesByName("first-contentful-paint");
          if (first) resolve(first.startTime);
        }).observe({ type: "paint", buffered: true });
      }),
  );
  await page.close();
  return { bytes, paint };
}
