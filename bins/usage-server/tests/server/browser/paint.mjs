// How soon a page of a running server is painted, and how much comes for it:
//
//   URL=http://127.0.0.1:8080 TOKEN=usage_… MODULES=…/node_modules node paint.mjs '/?from=2025-12-01&to=2025-12-31' 40
//
// Times are of this machine and this moment; the limits of the dashboard, 100 ms and 100 KB, are printed beside them.
import { createRequire } from "node:module";
import { join } from "node:path";
import { load } from "./load.mjs";

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
const loads = [];
for (let time = 0; time < Number(times); time += 1) loads.push(await load(context, path));
await browser.close();
const paints = loads.map((one) => one.paint).sort((one, other) => one - other);
const at = (share) => paints[Math.min(paints.length - 1, Math.ceil(share * paints.length) - 1)].toFixed(0);
const kilobytes = (Math.max(...loads.map((one) => one.bytes)) / 1000).toFixed(1);
console.log(`first load: ${loads[0].paint.toFixed(0)} ms; ${kilobytes} KB (limit 100)`);
console.log(`first contentful paint of ${paints.length} loads: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (limit 100)`);
