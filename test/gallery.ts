/**
 * Makes the pictures that the README shows: `npm run gallery` trains the reference experiment and
 * the example sweep, reports both, and photographs the reports; `npm run gallery -- RUN SWEEP`
 * takes directories that are there already.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommandLine } from '../src/cli/program.js';
import { buildReport, readPageAssets, renderPage } from '../src/report/index.js';
import { packageRoot } from '../src/util/root.js';
import { chromiumMissing, openPage, startChromium } from './support/browser.js';

/** As wide as a README is shown, about, at twice the pixels of the text. */
const SIZE = { width: 1040, height: 720 };

const missing = chromiumMissing();
if (missing !== undefined) throw new Error(missing);

const work = mkdtempSync(join(tmpdir(), 'cellrun-gallery-'));
try {
  const [run = await trained(), sweep = await swept()] = process.argv.slice(2);
  const folder = join(packageRoot, 'experiments', 'gallery');
  mkdirSync(folder, { recursive: true });
  const browser = await startChromium();
  for (const [name, path] of [
    ['run', run],
    ['sweep', sweep],
  ] as const) {
    const file = join(work, `${name}.html`);
    writeFileSync(file, renderPage(buildReport(path), readPageAssets()));
    const { page } = await openPage(browser, pathToFileURL(file).href, SIZE);
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }
  await browser.close();
} finally {
  rmSync(work, { recursive: true });
}

async function cellrun(...words: string[]): Promise<void> {
  const io = {
    out: () => {},
    err: (text: string) => process.stderr.write(text),
    color: { out: false, err: false },
    interactive: false,
  };
  const code = await runCommandLine([...words, '--output', work], io, 'gallery');
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
}

async function trained(): Promise<string> {
  await cellrun('run', join(packageRoot, 'configs', 'mnist-lstm.yaml'), '--set', 'training.log_every=10');
  const parent = join(work, 'mnist-lstm');
  return join(parent, readdirSync(parent)[0]);
}

async function swept(): Promise<string> {
  await cellrun('sweep', join(packageRoot, 'configs', 'sweeps', 'mnist-lstm.yaml'));
  const parent = join(work, 'sweeps', 'mnist-lstm');
  return join(parent, readdirSync(parent)[0]);
}
