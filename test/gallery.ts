/**
 * Makes the images of the README and the guide: `npm run gallery` trains variants of
 * configs/names.yaml and a sweep over it, and photographs their reports and the dashboard.
 * `npm run gallery -- FOLDER` takes a folder of runs and one sweep that is there already. The
 * images begin below the durations and step times, which would be wrong on a busy machine.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommandLine } from '../src/cli/program.js';
import { openLogger } from '../src/host/index.js';
import { findRuns } from '../src/run/find.js';
import { packageRoot } from '../src/util/root.js';
import { buildReport, renderPage } from '../src/view/report.js';
import { startDashboard } from '../src/view/server/dashboard.js';
import { chromiumMissing, openPage, startChromium } from './support/browser.js';

/** As wide as a README is shown, about, at twice the pixels of the text. */
const SIZE = { width: 1040, height: 720 };

const CONFIG = join(packageRoot, 'configs', 'names.yaml');

const missing = chromiumMissing();
if (missing !== undefined) throw new Error(missing);

const work = mkdtempSync(join(tmpdir(), 'cellrun-gallery-'));
try {
  const root = process.argv[2] ?? (await trained());
  const folder = join(packageRoot, 'experiments', 'gallery');
  mkdirSync(folder, { recursive: true });
  const browser = await startChromium();
  /**
   * @param drawn selector of what is drawn last
   * @param first heading that the image begins with
   */
  const photograph = async (
    name: string,
    url: string,
    drawn: string,
    first: string,
    height = SIZE.height,
  ): Promise<void> => {
    const { page, close } = await openPage(browser, url, SIZE);
    await page.locator(drawn).first().waitFor();
    const heading = await page.getByRole('heading', { name: first, exact: true }).boundingBox();
    const whole = await page.locator('body').boundingBox();
    if (!heading || !whole) throw new Error(`${name} has no ${first}`);
    const y = heading.y - 24;
    const clip = { x: 0, y, width: SIZE.width, height: Math.min(height, whole.height - y) };
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, clip });
    await close();
  };
  const found = findRuns(root);
  const runs = found.flatMap(({ kind, path }) => (kind === 'run' ? [path] : []));
  const sweep = found.find(({ kind }) => kind === 'sweep')?.path ?? root;
  for (const [name, path, drawn, first, height] of [
    ['run', runs[0], '.curve', 'Curves', SIZE.height],
    ['sweep', sweep, 'svg', 'Parameters and objective', 490],
  ] as const) {
    const file = join(work, `${name}.html`);
    writeFileSync(file, renderPage(buildReport(path)));
    await photograph(name, pathToFileURL(file).href, drawn, first, height);
  }
  const dashboard = await startDashboard({
    root,
    host: '127.0.0.1',
    port: 0,
    log: openLogger(line => process.stderr.write(line)),
  });
  const query = runs.map(path => `run=${encodeURIComponent(relative(root, path))}`).join('&');
  await photograph('dashboard-list', dashboard.url, 'td input', 'Runs');
  await photograph('dashboard-compare', `${dashboard.url}#/compare?${query}`, '.curve', 'Runs');
  await dashboard.close();
  await browser.close();
} finally {
  rmSync(work, { recursive: true });
}

async function cellrun(root: string, ...words: string[]): Promise<void> {
  const io = {
    out: () => {},
    data: () => {},
    err: (text: string) => process.stderr.write(text),
    color: { out: false, err: false },
    interactive: false,
  };
  const code = await runCommandLine([...words, '--output', root], io, 'gallery');
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
}

/** The folder of six runs, with two widths of three seeds each, and of a sweep. */
async function trained(): Promise<string> {
  const root = join(work, 'experiments');
  for (const size of [64, 16])
    for (const seed of [0, 1, 2])
      await cellrun(
        root,
        'run',
        CONFIG,
        `model.hidden_size=${size}`,
        `seed=${seed}`,
        'training.log_every=10',
      );
  const space = ['optimizer.learning_rate=log_uniform(3e-4,3e-2)', 'model.hidden_size=int(8,64)'];
  const search = [
    '--method',
    'tpe',
    '--trials',
    '16',
    '--pruner',
    'asha',
    '--objective',
    'validation.accuracy:max',
  ];
  await cellrun(root, 'sweep', CONFIG, ...space, ...search);
  return root;
}
