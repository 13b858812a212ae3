// How soon a page of a running server is painted, and how much comes for it:
//
//   URL=http://127.0.0.1:8080 TOKEN=usage_… MODULES=…/node_modules node paint.mjs '/?from=2025-12-01&to=2025-12-31' 40
//
// Times are of this machine and this moment; the limits of the dashboard, 100 ms and 100 KB, are printed beside them.
import { createRequire } from "node:module";
import { join } from "node:path";
import { loader } from "./load.mjs";

const { URL: url, TOKEN: token, MODULES: modules } = process.env;
const [path = "/", times = "40"] = process.argv.slice(2);
const { chromium } = createRequire(join(modules, "from-here.js"))("playwright-core");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, baseURL: url });
const page = await context.newPage();
await page.goto("/");
await page.fill("#token", token);
await page.click("main button");
await page.waitForURL("/");
await page.close();
const load = await loader(context);
const [loads, bare] = [[], []];
for (let time = 0; time < Number(times); time += 1) {
  loads.push(await load(path));
  // A line of text, without a style: what the browser takes for anything.
  bare.push(await load("/healthz"));
}
await browser.close();
const sorted = (of, what) => of.map((one) => one[what]).sort((one, other) => one - other);
const at = (values, share) => values[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)].toFixed(0);
const told = (of, what) => `p50 ${at(sorted(of, what), 0.5)} ms, p99 ${at(sorted(of, what), 0.99)} ms`;
console.log(`bytes of a first load: ${(Math.max(...loads.map((one) => one.bytes)) / 1000).toFixed(1)} KB (limit 100)`);
console.log(`page has come: ${told(loads, "answered")}`);
console.log(`first contentful paint: ${told(loads, "paint")} (limit 100)`);
console.log(`first contentful paint of a line of text: ${told(bare, "paint")}`);
