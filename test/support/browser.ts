/** Opens pages in a real browser and records console messages and requests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import type { Test } from 'tap';

const PROGRAM = '/usr/bin/chromium';

/** Why the tests cannot run here; undefined if Debian's Chromium is installed. */
export function chromiumMissing(): string | undefined {
  return existsSync(PROGRAM) ? undefined : `not installed: ${PROGRAM} (Debian: chromium)`;
}

/** The sandbox is not available to root. Only the page may use the network. */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];

/** What keeps tabs in the background as fast as others; left out, so that they are as for users. */
const UNTHROTTLED = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** @param flags more of them */
export function startChromium(...flags: readonly string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: PROGRAM,
    args: [...FLAGS, ...flags],
    headless: true,
    ignoreDefaultArgs: UNTHROTTLED,
  });
}

/** Headers with which a page may share memory between threads. */
export const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const FIREFOX = '/usr/bin/firefox-esr';

/** Why the tests cannot run in Firefox; undefined if Debian's is installed. */
export function firefoxMissing(): string | undefined {
  return existsSync(FIREFOX) ? undefined : `not installed: ${FIREFOX} (Debian: firefox-esr)`;
}

/**
 * Opens a page in a new Firefox, which says by requests what it finds out. Returns how to end it.
 * @param profile an empty folder
 */
export function openFirefox(url: string, profile: string): () => Promise<unknown> {
  // ends with the processes of its pages
  const firefox = spawn(FIREFOX, ['--headless', '--no-remote', '--profile', profile, url], {
    detached: true,
    stdio: 'ignore',
  });
  return () => {
    process.kill(-(firefox.pid as number));
    return once(firefox, 'exit');
  };
}

/**
 * Milliseconds that a page waits for what a test expects: the machine may be busy, and how soon it
 * comes is not what the tests are about.
 */
export const PATIENCE = 120_000;

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly scripts?: boolean;
  readonly before?: string;
}

export interface OpenPage {
  readonly page: Page;
  readonly said: readonly string[];
  /** URLs requested by the page, except its own. */
  readonly requested: readonly string[];
  close(): Promise<void>;
}

export async function openPage(browser: Browser, url: string, look: Look = {}): Promise<OpenPage> {
  const { width = 1280, height = 900, scheme = 'light', scripts = true, before } = look;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    javaScriptEnabled: scripts,
  });
  if (before !== undefined) await context.addInitScript(before);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const said: string[] = [];
  const requested: string[] = [];
  page.on('console', message => said.push(message.text()));
  page.on('pageerror', error => said.push(error.message));
  page.on('request', request => {
    if (request.url() !== url) requested.push(request.url());
  });
  await page.goto(url);
  return { page, said, requested, close: () => context.close() };
}

/** Changes the screen of an open page, and waits until it is drawn. */
export async function changeLook(
  page: Page,
  { width, scheme }: { readonly width: number; readonly scheme: 'light' | 'dark' },
): Promise<void> {
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize({ width, height: 900 });
  await nextFrames(page);
}

async function nextFrames(page: Page): Promise<void> {
  await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))');
}

/** Saves a screenshot to look at, if CELLRUN_SCREENSHOTS is a folder. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CELLRUN_SCREENSHOTS;
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** WCAG 2.2, levels A and AA, with all earlier versions. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
  readonly passes: readonly unknown[];
}

/**
 * Describes every node that violates a rule, but only one node per rule that passes, since axe
 * spends most of its time on descriptions.
 */
const AXE_OPTIONS = JSON.stringify({ runOnly: RULES, resultTypes: ['violations'] });

/** Violations found by axe, one line each, and the number of rules that passed. */
export async function violationsOf(page: Page): Promise<{ violations: string[]; passes: number }> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const { violations, passes } = (await page.evaluate(
    `axe.run(document, ${AXE_OPTIONS}).then(({ violations, passes }) =>
      ({ violations, passes: passes.map(({ id }) => id) }))`,
  )) as AxeResult;
  const lines = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`),
  );
  return { violations: lines, passes: passes.length };
}

/** Widths of a phone, a tablet and a desktop, each scheme at least once. */
const LOOKS = [
  { width: 360, scheme: 'dark' },
  { width: 768, scheme: 'light' },
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
] as const;

/** At every look: axe finds nothing, the page is not wider than the screen, and `check` passes. */
export async function checkLooks(
  t: Test,
  page: Page,
  name: string,
  check: () => Promise<unknown> = async () => {},
): Promise<void> {
  for (const { width, scheme } of LOOKS) {
    const look = `${name}-${width}-${scheme}`;
    await changeLook(page, { width, scheme });
    const { violations, passes } = await violationsOf(page);
    t.same(violations, [], look);
    t.ok(passes > 10, 'there was something to look at');
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, `${look} fits`);
    await check();
    await keepScreenshot(page, look);
  }
}

/** The section with a title. */
export function part(page: Page, title: string): Locator {
  return page
    .locator('section.part')
    .filter({ has: page.getByRole('heading', { name: title, exact: true }) });
}

export async function cellsOf(rows: Locator): Promise<string[][]> {
  return Promise.all((await rows.all()).map(row => row.locator('th, td').allInnerTexts()));
}

export function attributes(all: Locator, name: string): Promise<(string | null)[]> {
  return all.evaluateAll((elements, name) => elements.map(one => one.getAttribute(name)), name);
}

/** The numbers behind the texts of `data` elements. */
export async function valuesIn(data: Locator): Promise<number[]> {
  return (await attributes(data, 'value')).map(Number);
}
