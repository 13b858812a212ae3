// What it takes to load a page: bytes over the network, and the time until something is painted.

/**
 * A function that loads a path in one page of the context, each time without a cache. Bytes are those that came, headers and
 * compression as they were; milliseconds, until the page itself had come and until something of it was painted, count from
 * its request.
 */
export async function loader(context) {
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  network.on("Network.loadingFinished", (finished) => {
    bytes += finished.encodedDataLength;
  });
  return async (path) => {
    bytes = 0;
    await page.goto(path, { waitUntil: "networkidle" });
    const times = await page.evaluate(async () => {
      const paint = await new Promise((resolve) => {
        new PerformanceObserver((list) => {
          const [first] = list.getEntriesByName("first-contentful-paint");
          if (first) resolve(first.startTime);
        }).observe({ type: "paint", buffered: true });
      });
      return { paint, answered: performance.getEntriesByType("navigation")[0].responseEnd };
    });
    return { bytes, ...times };
  };
}
