/**
 * Development tool: opens every page of the built site (`npm run docs`) in a browser, on a phone
 * and on a desktop, light and dark, and uses the search; with arguments only pages such as
 * `guide/start.html`. Exit code 1 if anything is wrong.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import {
  changeLook,
  chromiumMissing,
  keepScreenshot,
  openPage,
  startChromium,
  violationsOf,
} from '../support/browser.js';

const missing = chromiumMissing();
if (missing !== undefined) throw new Error(missing);

const site = join(packageRoot, 'docs', '.vitepress', 'dist');
const wanted = process.argv.slice(2);
const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter(
  path => path.endsWith('.html') && path !== '404.html' && (wanted.length === 0 || wanted.includes(path)),
);

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const path = join(site, pathname === '/' ? 'index.html' : decodeURIComponent(pathname));
  try {
    const content = readFileSync(path);
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const LOOKS = [
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
  { width: 390, scheme: 'light' },
  { width: 390, scheme: 'dark' },
] as const;

const problems: string[] = [];
const browser = await startChromium();

for (const path of pages) {
  const { page, said, requested, close } = await openPage(browser, `${origin}/${path}`, LOOKS[0]);
  await page.waitForSelector('#app h1');
  for (const look of LOOKS) {
    const where = `${path} at ${look.width}, ${look.scheme}`;
    await changeLook(page, look);
    const over = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    if (Number(over) > 0) problems.push(`${where}: ${over} pixels too wide`);
    // what axe judges besides colours does not depend on the width
    if (look.width === LOOKS[0].width) {
      const { violations } = await violationsOf(page);
      problems.push(...violations.map(violation => `${where}: ${violation}`));
    }
    await keepScreenshot(
      page,
      `${path.replaceAll('/', '-').replace('.html', '')}-${look.width}-${look.scheme}`,
    );
  }
  problems.push(...said.map(text => `${path} says: ${text}`));
  const foreign = requested.filter(url => !url.startsWith(origin) && !url.startsWith('data:'));
  problems.push(...foreign.map(url => `${path} asks for ${url}`));
  await close();
}

const { page, close } = await openPage(browser, `${origin}/index.html`, { width: 1280, scheme: 'light' });
await page.waitForSelector('#app h1');
await page.keyboard.press('/');
await page.waitForSelector('.VPLocalSearchBox input');
await page.keyboard.type('label_smoothing');
await page.waitForSelector('.VPLocalSearchBox .result');
const found = await page.locator('.VPLocalSearchBox .result').count();
if (found === 0) problems.push('the search finds nothing');
await keepScreenshot(page, 'search');
await close();

await browser.close();
server.close();
for (const problem of [...new Set(problems)]) console.error(problem);
console.log(`${pages.length} pages, ${problems.length} problems, ${found} results of the search`);
process.exitCode = problems.length > 0 ? 1 : 0;
