/** A real browser for pages of ours: what it draws, what it says on its console, what it asks the network for. */
import { existsSync } from 'node:fs';
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

/** WCAG 2.2, levels A and AA, with all that went before. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
  readonly passes: readonly unknown[];
}

/** What axe finds wrong, one line each, and how many rules it found kept. */
export async function violationsOf(page: Page): Promise<{ violations: string[]; passes: number }> {
  await page.evaluate(axe.source);
  const { violations, passes } = (await page.evaluate(
    `axe.run(document, { runOnly: ${JSON.stringify(RULES)} })`,
  )) as AxeResult;
  const lines = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`),
  );
  return { violations: lines, passes: passes.length };
}
