// What people do with the dashboard, told to a real browser. Whatever is not as it should be ends the story.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { loader } from "./load.mjs";

const { URL: url, TOKEN: token, KEY: key, MODULES: modules, SCREENSHOTS: screenshots } = process.env;
const require = createRequire(join(modules, "from-here.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const PAGES = {
  overview: "/",
  explore: "/explore",
  sums: "/explore?group=model",
  "no-event": "/explore?model=nobody",
  "never-read": "/explore?account=2",
  refused: "/explore?batch=maybe",
  restatements: "/restatements?from=2025-01-01",
  runs: "/runs",
  run: "/runs/1",
  "failed-run": "/runs/2",
  parity: "/parity",
  "no-parity": "/parity?account=2",
  reconciliation: "/reconciliation",
  budgets: "/budgets",
  keys: "/keys",
  rotate: "/keys/1/rotate",
  remove: "/keys/1/remove",
  tokens: "/tokens",
  missing: "/keys/99/remove",
};
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
// Inside a container there is no sandbox to be had; the browser sees this machine's own pages only.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

try {
  for (const [title, step] of Object.entries({
    somebodySignsIn,
    theyMakeATokenForOneAccount,
    theOverviewIsLight,
    somebodyLooksForWhoSpentIt,
    theyTakeItAway,
    theySeeWhyARunFailed,
    theyAddAKey,
    theyDoItWithoutAScript,
    theyDoItWithTheKeyboard,
    theyDoItOnAPhone,
    everyPageIsReadable,
  })) {
    await step();
    console.log(`done: ${title}`);
  }
} finally {
  await browser.close();
}
console.log("the story is told to its end");

async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, baseURL: url, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  // What the policy of a page forbids, and what its script trips over, is told to the console.
  page.on("pageerror", (error) => assert.fail(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (message.type() !== "error" || /status of 4\d\d/.test(message.text())) return;
    assert.fail(`${page.url()}: ${message.text()}`);
  });
  page.on("request", (request) => assert.ok(request.url().startsWith(url), `elsewhere: ${request.url()}`));
  return page;
}

async function signedIn(options = {}, secret = token) {
  const page = await visitor(options);
  await page.goto("/");
  await page.fill("#token", secret);
  await page.click("main button");
  await page.waitForURL("/");
  return page;
}

async function somebodySignsIn() {
  const page = await visitor();
  await page.goto("/explore?order=oldest");
  assert.match(page.url(), /\/sign-in\?back=/);
  await isAccessible(page);
  await page.fill("#token", "usage_not-a-token");
  await page.click("main button");
  await page.getByText("This token is unknown, expired or revoked.").waitFor();
  await page.screenshot({ path: join(screenshots, "sign-in.png"), fullPage: true });
  await page.fill("#token", token);
  await page.click("main button");
  await page.waitForURL("/explore?order=oldest");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("/sign-in");
  await page.goto("/");
  assert.match(page.url(), /\/sign-in/);
  await page.context().close();
}

async function theyMakeATokenForOneAccount() {
  const page = await signedIn();
  await page.goto("/tokens");
  await page.fill("#name", "<i>the finance team</i>");
  await page.getByLabel("openai/org-with-usage").check();
  await page.getByRole("button", { name: "Make the token" }).click();
  const secret = await page.locator("#token-secret").textContent();
  await isAccessible(page);
  await page.getByRole("link", { name: "Done" }).click();
  await page.waitForURL("/tokens");
  assert.ok(!(await page.content()).includes(secret), "a token is shown once");
  await page.context().close();
  const reader = await signedIn({}, secret);
  await reader.getByText("the finance team").waitFor();
  // All that it sees is proved.
  await reader.getByText(/parity proved .*, 0 differences/).waitFor();
  await reader.getByText("bill reconciled to $0.00").waitFor();
  await reader.screenshot({ path: join(screenshots, "proved.png"), fullPage: true });
  // The runs of the account that it sees, and who else may see it.
  await reader.goto("/runs");
  await reader.locator("tbody tr").first().waitFor();
  await reader.goto("/tokens");
  await reader.getByText("You may not see or do this").waitFor();
  await reader.screenshot({ path: join(screenshots, "forbidden.png"), fullPage: true });
  await isAccessible(reader);
  await reader.context().close();
}

async function theOverviewIsLight() {
  const page = await signedIn();
  const load = await loader(page.context());
  const { bytes } = await load("/");
  // Page, style, script and icon: less would be none of it.
  assert.ok(bytes > 5_000 && bytes < 100_000, `${bytes} bytes for the overview`);
  await page.context().close();
}

async function somebodyLooksForWhoSpentIt() {
  const page = await signedIn();
  await page.getByText("29 of 31 days covered, 1 still open (of 1 of 2 accounts)").waitFor();
  // The other account has no proof, which is not passed over.
  await page.getByText(/parity proved .*, 0 differences \(of 1 of 2 accounts\)/).waitFor();
  await page.getByText("bill reconciled to $0.00 (of 1 of 2 accounts)").waitFor();
  for (const card of ["Estimated spend", "Tokens", "Requests", "Cached share"]) {
    await page.getByRole("heading", { name: card, exact: true }).waitFor();
  }
  // Another choice loads the chart of it.
  await page.selectOption("select[name=by]", "model");
  await page.waitForURL(/by=model/);
  await page.selectOption("select[name=measure]", "tokens");
  await page.waitForURL(/measure=tokens/);
  assert.ok((await page.locator(".legend li").count()) > 1);
  // What a day says beside the pointer is what the table behind the chart has.
  await page.locator(".hits rect").nth(20).hover();
  await page.locator(".tip").waitFor();
  // From a sum to its events, and on to one of them.
  const top = page.locator("table.ranked").first().locator("td a").first();
  const sum = digits(await top.textContent());
  await top.click();
  await page.waitForURL(/\/explore\?.*projectId=/);
  const heads = page.locator(".list-head");
  assert.ok((await heads.textContent()).replaceAll(",", "").includes(sum), `${sum} in Explore`);
  await page.locator("details.row summary").first().click();
  assert.equal(await page.locator("details.row").first().getAttribute("open"), "");
  await page.locator(".more-row").first().getByText("Window", { exact: false }).first().waitFor();
  // A filter narrows, stands in the address, and a reload keeps it.
  const events = async () => Number((await heads.locator("b").first().textContent()).replaceAll(",", ""));
  const all = await events();
  await page.locator("details.pick", { hasText: "Model" }).locator("summary").click();
  const option = page.locator("details.pick[open] label", { has: page.locator("input[type=checkbox]") }).first();
  const model = (await option.textContent()).trim();
  await option.locator("input").check();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/model=/);
  await page.reload();
  const narrowed = await events();
  assert.ok(narrowed > 0 && narrowed < all, `${narrowed} of ${all} events`);
  for (const row of await page.locator("table.events > tbody > tr:first-child > td:nth-child(3)").all()) {
    assert.ok((await row.textContent()).startsWith(model), await row.textContent());
  }
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForURL(/after=/);
  // The sums of every value, and from one of them to its events.
  await page.goto("/");
  await page.getByRole("link", { name: "All Models in Explore" }).click();
  await page.waitForURL(/group=model/);
  const sums = page.locator("table.sums tbody tr");
  assert.ok((await sums.count()) > 2);
  const counted = (await sums.first().locator("td a").textContent()).split(" ")[0];
  await sums.first().locator("td a").click();
  await page.waitForURL(/\/explore\?(?!.*group=).*model=/);
  assert.equal(await heads.locator("b").first().textContent(), counted);
  // A value that no list has is typed.
  await page.locator("details.pick", { hasText: "API key" }).locator("summary").click();
  await page.locator("details.pick[open]").getByLabel("Another id").fill("key_of_nobody");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/apiKeyId=key_of_nobody/);
  await page.getByText("No usage event matches").waitFor();
  await page.context().close();
}

async function theyTakeItAway() {
  const page = await signedIn();
  await page.goto("/explore");
  await page.getByRole("link", { name: "most tokens" }).click();
  await page.waitForURL("/explore?order=tokens");
  const head = await page.locator(".list-head").textContent();
  const began = page.waitForEvent("download");
  await page.getByRole("link", { name: "JSON lines" }).click();
  const text = readFileSync(await (await began).path(), "utf8");
  const events = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  const sums = events.map((event) => BigInt(event.inputTokens ?? 0) + BigInt(event.outputTokens ?? 0));
  assert.ok(sums.every((sum, index) => index === 0 || sum <= sums[index - 1]), "most tokens first, as on the page");
  const tokens = sums.reduce((sum, of) => sum + of, 0n);
  const shown = head.replaceAll(",", "");
  assert.ok(shown.includes(String(tokens)), `${tokens} tokens in the file: ${head}`);
  assert.ok(shown.includes(String(events.length)), `${events.length} events in the file: ${head}`);
  // Every file of a page that is narrowed comes, the provider's own among them.
  await page.goto("/explore?account=1&endpoint=completions");
  for (const name of ["CSV", "JSON lines", "the provider's layout"]) {
    const begins = page.waitForEvent("download");
    await page.getByRole("link", { name, exact: true }).click();
    const file = readFileSync(await (await begins).path(), "utf8");
    assert.ok(file.trimEnd().split("\n").length > 10, `${name}: ${file.slice(0, 200)}`);
  }
  await page.context().close();
}

async function theySeeWhyARunFailed() {
  const page = await signedIn();
  await page.goto("/runs");
  await page.locator("tr", { hasText: "failed" }).getByRole("link").click();
  await page.waitForURL(/\/runs\/\d+/);
  await page.getByRole("heading", { name: "Issues" }).waitFor();
  assert.ok(await page.locator("tbody .state.bad", { hasText: "error" }).count());
  await page.context().close();
}

async function theyAddAKey() {
  const page = await signedIn();
  await page.goto("/keys");
  const add = async (secret) => {
    await page.fill("#organization", "org-with-usage");
    await page.fill("#label", "<b>a second key</b>");
    await page.fill("#secret", secret);
    await page.getByRole("button", { name: "Check and add" }).click();
  };
  await add("sk-admin-test-nobody-knows-it");
  await page.locator(".notice.bad").waitFor();
  assert.equal(await page.inputValue("#organization"), "org-with-usage");
  assert.equal(await page.inputValue("#secret"), "", "a secret never comes back");
  const rows = await page.locator("table tbody tr").count();
  await add(key);
  await page.waitForURL("/keys?done=key-added");
  await page.getByRole("status").waitFor();
  assert.equal(await page.locator("table tbody tr").count(), rows + 1);
  assert.ok(!(await page.content()).includes(key));
  // Taking it away again takes a page that says what stays.
  await page.locator("tr", { hasText: "a second key" }).getByRole("link", { name: "Remove" }).click();
  await page.getByText("The history stays").waitFor();
  await page.getByRole("button", { name: "Remove the key" }).click();
  await page.waitForURL("/keys?done=key-removed");
  assert.equal(await page.locator("table tbody tr").count(), rows);
  await page.context().close();
}

async function theyDoItWithoutAScript() {
  const page = await signedIn({ javaScriptEnabled: false });
  await page.selectOption("select[name=by]", "model");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(/by=model/);
  await page.getByText("The numbers of this chart").click();
  await page.locator("details.numbers table").waitFor();
  await page.getByRole("button", { name: "Dark" }).click();
  await page.waitForURL(/by=model/);
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await page.goto("/explore");
  await page.locator("details.pick", { hasText: "Model" }).locator("summary").click();
  await page.locator("details.pick[open] input[type=checkbox]").first().check();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/model=/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("/sign-in");
  await page.context().close();
}

async function theyDoItWithTheKeyboard() {
  const page = await signedIn();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => location.hash), "#main");
  await page.goto("/explore");
  const pick = page.locator("details.pick summary").first();
  await pick.focus();
  await page.keyboard.press("Enter");
  await page.locator("details.pick[open]").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("details.pick[open]").count(), 0);
  await page.context().close();
}

async function theyDoItOnAPhone() {
  const page = await signedIn({ viewport: PHONE });
  await page.goto("/explore");
  for (const pick of await page.locator("details.pick").all()) {
    await pick.locator("summary").click();
    const { x, width } = await pick.locator("> div").boundingBox();
    assert.ok(x >= 0 && x + width <= PHONE.width, `${await pick.textContent()}: ${x} + ${width}`);
  }
  await page.screenshot({ path: join(screenshots, "filter-phone.png") });
  await isAccessible(page);
  await page.context().close();
}

async function everyPageIsReadable() {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      const page = await signedIn({ colorScheme, viewport });
      for (const [name, path] of Object.entries(PAGES)) {
        await page.goto(path);
        await page.screenshot({ path: join(screenshots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
        await isAccessible(page);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${name} is ${wider} px wider than a ${size}`);
      }
      await page.context().close();
    }
  }
}

async function isAccessible(page) {
  // Through the protocol of the browser, since the page's own policy lets no other script in.
  const { violations } = await page.evaluate(`${axe}; axe.run(document)`);
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], page.url());
}

function digits(text) {
  return text.replace(/ tokens of.*/s, "").replace(/[^0-9]/g, "");
}
