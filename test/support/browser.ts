/**
 * A real browser for pages of ours: what it draws, what it says on its console, what it asks the
 * network for.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium';

/** What keeps the tests from running here; undefined where Debian's Chromium is installed. */
export function chromiumMissing(): string | undefined {
  return existsSync(PROGRAM) ? undefined : `not installed: ${PROGRAM} (Debian: chromium)`;
}

/** As root there is no sandbox to be had; nothing but the page may talk. */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: PROGRAM, args: FLAGS, headless: true });
}

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  /** Whether scripts run. */
  readonly scripts?: boolean;
  /** A script that runs before those of the page. */
  readonly before?: string;
}

export interface OpenPage {
  readonly page: Page;
  /** What the console and uncaught errors said. */
  readonly said: readonly string[];
  /** Addresses that the page asked for, itself left out. */
  readonly requested: readonly string[];
  close(): Promise<void>;
}

/** Opens `url` as a reader with such a screen would. */
export async function openPage(browser: Browser, url: string, look: Look = {}): Promise<OpenPage> {
  const { width = 1280, height = 900, scheme = 'light', scripts = true, before } = look;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    javaScriptEnabled: scripts,
  });
  if (before !== undefined) await context.addInitScript(before);
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

/** Gives an open page another screen, and waits until it is drawn. */
export async function changeLook(
  page: Page,
  { width, scheme }: { readonly width: number; readonly scheme: 'light' | 'dark' },
): Promise<void> {
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize({ width, height: 900 });
  await nextFrames(page);
}

/** Waits until what has changed on the page is drawn. */
export async function nextFrames(page: Page): Promise<void> {
  await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))');
}

/** Saves a screenshot for people, where CELLRUN_PICTURES names a folder. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env.CELLRUN_PICTURES;
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** WCAG 2.2, levels A and AA, with all that went before. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
  readonly passes: readonly unknown[];
}

/**
 * axe describes every node that violates a rule, and one node of a rule that is kept: most of its
 * time goes into descriptions.
 */
const AXE_OPTIONS = JSON.stringify({ runOnly: RULES, resultTypes: ['violations'] });

/** What axe finds wrong, one line each, and how many rules it found kept. */
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
