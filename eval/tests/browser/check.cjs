// Clicks through reports in a real browser: node check.cjs CHROMIUM REPORT PREFERENCE JUDGE SCREENSHOTS
//
// REPORT is one of `made_up write ... hostile`: three arms, four samples a problem, answers that would harm a careless page.
// PREFERENCE and JUDGE are those of `made_up_pairs`: a reference that nothing is said of, wins, ties and losses.
// Fails if a script of a sample runs, if anything is fetched, if the console has an error, if a filter finds what it should not, or
// if a phone has to scroll sideways.
"use strict";
const assert = require("node:assert");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const [executablePath, report, preference, judge, screenshots] = process.argv.slice(2);

async function opened(browser, options, problems, file = report) {
  const address = pathToFileURL(file).href;
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error}`));
  page.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = request.url();
    if (url.split("#")[0] !== address && !url.startsWith("data:")) problems.push(`request: ${url}`);
  });
  await page.goto(address);
  await page.waitForSelector("#list li");
  return page;
}

const picture = (page, name, fullPage = false) => page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage });
const count = async (page) => Number((await page.textContent("#found")).match(/^[\d,]+/)[0].replaceAll(",", ""));
const idOf = (page) => page.textContent("#shown h3");

async function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

async function filters(page) {
  const all = await count(page);
  assert.ok(all >= 200, `${all} attempts`);

  await page.selectOption("#filter-outcome", "failed");
  const failed = await count(page);
  assert.ok(failed > 0 && failed < 10, `${failed} failed`);
  assert.match(await page.textContent("#shown"), /503 from the server after 5 tries/);
  await page.selectOption("#filter-outcome", "");

  await page.selectOption("#filter-verdict", "correct");
  await page.selectOption("#filter-arm", "2");
  const right = await count(page);
  const expected = await page.evaluate(() => {
    const data = JSON.parse(document.getElementById("data").textContent);
    return data.samples.filter((sample) => sample.arm === 2 && sample.verdict === "correct").length;
  });
  assert.strictEqual(right, expected);
  await page.selectOption("#filter-arm", "");
  await page.selectOption("#filter-verdict", "");

  await page.selectOption("#filter-group-0", "hard");
  assert.match(await page.textContent("#shown .chips"), /difficulty: hard/);
  await page.selectOption("#filter-outcome", "passed");
  assert.strictEqual(await count(page), 0, "nobody solves a hard problem");
  assert.strictEqual(await page.textContent("#shown"), "");
  await page.selectOption("#filter-group-0", "");
  await page.selectOption("#filter-outcome", "differ");
  const differ = await count(page);
  assert.ok(differ > 0 && differ < all, `${differ} differ`);
  await picture(page, "filtered");
  await page.selectOption("#filter-outcome", "");
  assert.strictEqual(await count(page), all);
}

async function search(page) {
  // Letters do nothing to a reader who is elsewhere on the page.
  await page.evaluate(() => document.activeElement.blur());
  const before = await idOf(page);
  await page.keyboard.press("j");
  await page.keyboard.press("/");
  assert.strictEqual(await idOf(page), before);
  assert.ok(await page.evaluate(() => document.activeElement === document.body), "a letter took the focus");
  await page.focus("#list button");
  await page.keyboard.press("/");
  await page.keyboard.type("WINDOW.HACKED");
  await page.waitForSelector("#shown mark");
  const found = await count(page);
  assert.ok(found > 0 && found < 100, `${found} found`);
  // Markup is shown as text, and what was sought is marked.
  assert.match(await page.textContent("#shown"), /window\.hacked/);
  assert.strictEqual((await page.textContent("#shown mark")).toLowerCase(), "window.hacked");
  await picture(page, "hostile");
  await page.fill("#search", "atcoder_0003");
  await page.waitForFunction(() => document.querySelector("#shown h3").textContent === "atcoder_0003");
  await page.selectOption("#sample", "2");
  assert.match(await page.textContent('#list [aria-current="true"]'), /sample 3/);
  assert.strictEqual(await page.locator("#shown .answer").count(), 3, "the three arms side by side");
  await page.fill("#search", "nothing says this");
  await page.waitForFunction(() => document.querySelectorAll("#list li").length === 0);
  await page.fill("#search", "");
  await page.waitForSelector("#list li");
  await page.press("#search", "Escape");
  assert.strictEqual(await page.evaluate(() => document.activeElement.id), "shown");
}

// What is read out is one line on the attempt that was gone to, never the attempt itself.
async function readOut(page) {
  assert.strictEqual(await page.locator("[aria-live], [role=log], [role=alert]").count(), 0);
  assert.strictEqual(await page.locator("[role=status]").count(), 2);
  await page.focus('[aria-label="next"]');
  await page.keyboard.press("Enter");
  const told = await page.textContent("#told");
  assert.ok(told.startsWith(`${await idOf(page)}, sample `), told);
  assert.match(told, /: base (passed|not passed|failed), /);
  assert.ok(told.length < 200, told);
  assert.strictEqual(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "next", "the focus stays");
  await page.keyboard.press("k");
}

async function keyboard(page) {
  const first = await idOf(page);
  for (let i = 0; i < 8; i++) await page.keyboard.press("j");
  const later = await idOf(page);
  assert.notStrictEqual(later, first);
  for (let i = 0; i < 8; i++) await page.keyboard.press("k");
  assert.strictEqual(await idOf(page), first);
  await page.focus("#list button");
  await page.keyboard.press("ArrowDown");
  assert.ok(await page.evaluate(() => document.activeElement.getAttribute("aria-current") === "true"));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.click('[aria-label="next"]');
  await page.click('[aria-label="previous"]');
  // To the end of what is listed and on.
  await page.click("#more");
  const buttons = page.locator("#list button");
  await buttons.nth(await buttons.count() - 1).click();
  assert.ok(await page.isDisabled('[aria-label="next"]') || !(await page.isHidden("#more")));
}

// Every attempt is shown once: none may run, fetch or break anything; what would act on a display is shown as its code.
async function everyAttempt(page) {
  const codes = new Set();
  await page.evaluate(() => document.querySelector("#list button").click());
  for (let seen = 0; seen < 1000; seen++) {
    for (const code of await page.locator("#shown .control").allTextContents()) codes.add(code);
    const raw = await page.evaluate(() => /[\u0000-\u0008\u001b\u202e\u2066\u009b]/.test(document.getElementById("shown").textContent));
    assert.ok(!raw, "an acting character is shown raw");
    const tags = await page.locator("#shown img, #shown script, #shown iframe, #shown svg, #shown b").count();
    assert.strictEqual(tags, 0, "markup of a sample became elements");
    if (await page.isDisabled('[aria-label="next"]')) break;
    await page.keyboard.press("j");
  }
  for (const code of ["U+0000", "U+001B", "U+009B", "U+202E", "U+2028", "U+FEFF"]) assert.ok(codes.has(code), `${code} is not shown`);
}

async function themes(page) {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await paper();
  assert.notStrictEqual(light, dark);
  await page.click("#theme");
  assert.strictEqual(await paper(), light);
  await page.click("#theme");
  await page.emulateMedia({ colorScheme: "light" });
  assert.strictEqual(await paper(), dark);
  await page.click("#theme");
  assert.strictEqual(await paper(), light);
}

// Of two answers one is preferred, or neither: the reference is no loser, and a tie is none.
async function pairs(page) {
  const all = await count(page);
  assert.strictEqual(all, 40);
  const signs = (kind) => page.locator(`#list .pips .${kind}`).count();
  assert.strictEqual(await signs("none"), all, "the reference arm has a sign of its own");
  const each = await Promise.all(["pass", "tie", "fail"].map(signs));
  assert.strictEqual(each.reduce((one, other) => one + other), 2 * all);
  assert.ok(each.every((number) => number > 0), `${each}`);
  assert.match(await page.locator("#list .pips .none").first().getAttribute("aria-label"), /initial reference/);
  await page.selectOption("#filter-outcome", "tie");
  const ties = await count(page);
  assert.ok(ties > 0 && ties < all, `${ties} with a tie`);
  await page.selectOption("#filter-outcome", "");
  const said = await page.evaluate(() => document.querySelector("main").innerText);
  assert.ok(!/pass@1|initial\s+–|− initial/.test(await page.locator(".tiles").innerText()), "a tile without a number");
  assert.match(said, /against one half/i);
  assert.strictEqual(await page.locator("#shown .facts").first().textContent().then((text) => /\b0 tokens|0\.00 s/.test(text)), false);
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  const problems = [];
  try {
    const page = await opened(browser, { viewport: { width: 1280, height: 900 } }, problems);
    const title = await page.title();
    await page.locator("details.measure summary").first().click();
    assert.ok(await page.locator("details.measure[open] figure").count() >= 2, "a measure unfolds");
    await page.locator("details.measure summary").first().click();
    assert.strictEqual(await page.locator("section figure").count(), 3);
    await picture(page, "light", true);
    await filters(page);
    await search(page);
    await readOut(page);
    await keyboard(page);
    await everyAttempt(page);
    await themes(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "dark", true);

    const phone = await opened(browser, { viewport: { width: 375, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }, problems);
    assert.ok(await overflow(phone) <= 0, `a phone scrolls sideways by ${await overflow(phone)} px`);
    await picture(phone, "phone", true);
    await phone.selectOption("#filter-arm", "1");
    await phone.locator("#list button").nth(1).tap();
    assert.ok(await overflow(phone) <= 0, "a phone scrolls sideways with a sample open");
    for (let i = 0; i < 60 && !(await phone.isDisabled('[aria-label="next"]')); i++) {
      await phone.tap('[aria-label="next"]');
      assert.ok(await overflow(phone) <= 0, `a phone scrolls sideways at ${await idOf(phone)}`);
    }
    await picture(phone, "phone-sample");

    for (const [name, file] of [["preference", preference], ["judge", judge]]) {
      const one = await opened(browser, { viewport: { width: 1280, height: 900 } }, problems, file);
      await pairs(one);
      await picture(one, name, true);
      const small = await opened(browser, { viewport: { width: 375, height: 740 }, isMobile: true }, problems, file);
      assert.ok(await overflow(small) <= 0, `a phone scrolls the ${name} report sideways by ${await overflow(small)} px`);
    }

    for (const one of [page, phone]) {
      assert.strictEqual(await one.evaluate(() => window.hacked), undefined, "a script of a sample ran");
    }
    assert.strictEqual(await page.title(), title);
    assert.deepStrictEqual(problems, []);
    console.log("the report holds in a browser: filters, search, keys, themes, a phone; nothing of a sample ran or was fetched");
  } finally {
    await browser.close();
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
