/**
 * Sites of `web` in a real browser: what a page trains has the bytes of what Node trains, also if
 * the page is closed in the middle, and nothing leaves the page.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join } from 'node:path';
import { unzipSync } from 'fflate';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import t from 'tap';
import {
  attributes,
  checkLooks,
  chromiumMissing,
  firefoxMissing,
  openFirefox,
  part,
  startChromium,
} from '../support/browser.js';
import { work } from '../support/work.js';

const missing = chromiumMissing();
const steps = Array.from({ length: 400 }, (_, row) => {
  const group = Math.floor(row / 8);
  const noise = ((row * 7919) % 1000) / 1000;
  return `${group},${((group % 2) + noise).toFixed(3)},${(noise * 2 - 1).toFixed(3)},${group % 2 ? 'yes' : 'no'}`;
});
const config = work.file(
  'steps.yaml',
  `version: 1
name: steps
# read relative to this file
dataset:
  kind: csv
  path: data.csv
  sequence: { group: g }
  features: [a, b]
  target: class
  target_kind: class
  test: { fraction: 0.3 }
model: { cell: lstm, hidden_size: 16 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 40, batch_size: 5 }
checkpoint: { keep: { last: 3 }, every: { steps: 20 } }
`,
);
writeFileSync(join(dirname(config), 'data.csv'), ['g,a,b,class', ...steps].join('\n'));
const site = work.folder();

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
};

/** Trains as the page does, and sends what it has for a browser that the tests cannot ask. */
const REPORTER = `<!DOCTYPE html><script src="/trainer.js"></script><script>
const tell = body => fetch('/told', { method: 'POST', body: JSON.stringify(body) });
const trainer = new Worker(URL.createObjectURL(new Blob([cellrunTrainer])));
trainer.onerror = ({ message }) => tell(message);
let text = '', digests = {};
trainer.onmessage = ({ data }) => {
  if (data.kind === 'texts') text = data.texts['steps.yaml'];
  if (data.kind === 'problems') tell(data.problems);
  if (data.kind === 'report') digests = data.digests;
  if (data.kind !== 'state') return;
  if (data.state === 'ready') trainer.postMessage({ kind: 'train', config: 'steps.yaml', text });
  if (data.state === 'ended') tell(Object.values(digests));
};
fetch('/site.json').then(answer => answer.json()).then(site =>
  trainer.postMessage({ kind: 'open', site, address: location.origin + '/' }));
</script>`;

let told: (body: unknown) => void = () => {};

/** With these, a page may share memory between threads. */
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
let headers: Readonly<Record<string, string>> = {};

/** Serves the site; any server would do. */
const server = createServer(async (request, response) => {
  const { url = '/' } = request;
  if (url === '/told') {
    const body = Buffer.concat(await request.toArray()).toString();
    response.end();
    return told(JSON.parse(body));
  }
  if (url === '/reporter') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(REPORTER);
  const file = join(site, url === '/' ? 'index.html' : decodeURIComponent(url));
  if (!existsSync(file)) response.writeHead(404).end();
  else {
    const type = { 'Content-Type': TYPES[extname(file)] ?? '' };
    response.writeHead(200, { ...headers, ...type }).end(readFileSync(file));
  }
});
t.teardown(() => server.close());

/** Threads of a page with this wait 20 ms before each turn. */
const SLOW = `const Whole = Blob;
Blob = class extends Whole {
  constructor([text], options) {
    super([\`const { postMessage } = MessagePort.prototype;
MessagePort.prototype.postMessage = function (message) {
  setTimeout(() => postMessage.call(this, message), 20);
};
\`, text], options);
  }
};`;

async function openSite(context: BrowserContext, before = '') {
  const page = await context.newPage();
  await page.addInitScript(before);
  const said: string[] = [];
  const requested: string[] = [];
  page.on('console', message => said.push(message.text()));
  page.on('pageerror', error => said.push(error.message));
  page.on('request', request => requested.push(request.url()));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return { page, said, requested };
}

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
const reaches = (page: Page, state: string) =>
  page.locator(`[data-state=${state}]`).waitFor({ timeout: 120_000 });
const digestsOn = (page: Page) => page.locator('.digests code').allInnerTexts();

/** SHA-256 of the checkpoints of the run that Node trains. */
async function digestsOfNode(...settings: string[]): Promise<string[]> {
  const given = ['run', config, '--portable', '--output', work.folder(), '--json', ...settings];
  const { stdout } = await work.cellrun(...given);
  const { directory } = JSON.parse(stdout);
  const index = JSON.parse(readFileSync(join(directory, 'checkpoints/index.json'), 'utf8'));
  const names: string[] = index.checkpoints.map(({ file }: { file: string }) => file).sort();
  return names.map(name =>
    createHash('sha256')
      .update(readFileSync(join(directory, 'checkpoints', name)))
      .digest('hex'),
  );
}

/** The directory of the run, unpacked. */
async function downloaded(page: Page): Promise<string> {
  const download = page.waitForEvent('download');
  await press(page, 'Download the run');
  const archive = join(work.folder(), 'run.zip');
  await (await download).saveAs(archive);
  const folder = work.folder();
  let directory = folder;
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(archive)))) {
    directory = join(folder, name.split('/')[0]);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return directory;
}

t.test('a page trains', { skip: missing }, async t => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const slider = ['--slider', 'training.num_epochs=1:40'];
  const written = await work.cellrun('web', config, '--output', site, ...slider);
  t.equal(written.code, 0, written.stderr);
  const expected = await digestsOfNode();
  t.ok(expected.length > 1);
  const browser: Browser = await startChromium();
  t.teardown(() => browser.close());
  const context = await browser.newContext({ acceptDownloads: true });

  await t.test('to the bytes of Node', async t => {
    const { page, said, requested } = await openSite(context);
    await reaches(page, 'ready');
    t.match(await page.inputValue('#config'), /relative to this file/, 'the config as it is');
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    const origin = new URL(page.url()).origin;
    t.same(
      requested.filter(url => !url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`)),
      [],
    );
    t.same(said, [], 'the policy of the page forbids nothing that it does');
    await page.close();
  });

  await t.test('to the bytes of Node, in Firefox', { skip: firefoxMissing() ?? false }, async t => {
    const found = new Promise(resolve => {
      told = resolve;
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/reporter`;
    const end = openFirefox(url, work.folder());
    t.same(await found, expected);
    await end();
  });

  await t.test('closed in the middle of training, it resumes to the same bytes', async t => {
    // each turn of the trainer waits, so that no machine is fast enough to end before
    const first = await openSite(context, SLOW);
    await reaches(first.page, 'ended');
    await press(first.page, 'Train');
    await part(first.page, 'Checkpoints').getByText('60', { exact: true }).waitFor();
    await first.page.close();
    const { page } = await openSite(context);
    await reaches(page, 'paused');
    await press(page, 'Resume');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), expected);
    await page.close();
  });

  await t.test('on several threads, if the server isolates it', async t => {
    headers = ISOLATED;
    const isolated = await browser.newContext({ acceptDownloads: true });
    const { page, said } = await openSite(isolated);
    await reaches(page, 'ready');
    const text = await page.inputValue('#config');
    await page.fill('#config', text.replace('batch_size: 5', 'batch_size: 16'));
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), await digestsOfNode('--set', 'training.batch_size=16', '--threads', '1'));
    t.same(said, []);
    const manifest = JSON.parse(readFileSync(join(await downloaded(page), 'manifest.json'), 'utf8'));
    t.ok(manifest.backend.threads > 1);
    await isolated.close();
    headers = {};
  });

  await t.test('the run is one for ./run', async t => {
    const { page } = await openSite(context);
    await reaches(page, 'ended');
    const folder = await downloaded(page);
    const review = await work.cellrun('review', folder);
    t.equal(review.code, 0, review.stdout + review.stderr);
    await page.close();
  });

  await t.test('mistakes are under their lines, as the command line shows them', async t => {
    const { page } = await openSite(context);
    await reaches(page, 'ended');
    const text = await page.inputValue('#config');
    await page.fill('#config', text.replace('cell: lstm', 'cell: lstn'));
    await page.locator('#problems li').waitFor();
    const broken = join(dirname(config), 'broken.yaml');
    writeFileSync(broken, text.replace('cell: lstm', 'cell: lstn'));
    const { stderr } = await work.cellrun('validate', broken);
    const shown = await page.locator('#problems').textContent();
    const [, place, message] = /:(\d+:\d+): (?:error: )?(.*)/.exec(stderr) ?? [];
    t.match(shown ?? '', `line ${place.replace(':', ', column ')}`);
    t.match(shown ?? '', message);
    t.ok(await page.getByRole('button', { name: 'Train', exact: true }).isDisabled());
    t.same(await attributes(page.locator('#config'), 'aria-invalid'), ['true']);
    await page.close();
  });

  await t.test('keys and values are offered where they belong', async t => {
    const { page } = await openSite(context);
    await reaches(page, 'ended');
    const text = await page.inputValue('#config');
    await page.fill('#config', `${text}gat`);
    await press(page, 'gates:');
    t.equal(await page.inputValue('#config'), `${text}gates: `);
    const above = text.replace(/^optimizer.*\n/m, '');
    await page.fill('#config', `${above}optimizer: { kind: rms`);
    await press(page, 'rmsprop');
    t.equal(await page.inputValue('#config'), `${above}optimizer: { kind: rmsprop`);
    await page.close();
  });

  await t.test('explained, it shows what the layers compute', async t => {
    const { page, said } = await openSite(context);
    await reaches(page, 'ended');
    await press(page, 'Explain');
    const inside = part(page, 'Inside the layers');
    await inside.waitFor({ timeout: 120_000 });
    await inside.locator('select').nth(1).selectOption('i of layer 0');
    await inside.getByRole('slider').fill('3');
    t.match((await inside.locator('output').textContent()) ?? '', /^4 of \d+/);
    t.equal(await inside.locator('canvas').first().getAttribute('height'), '16', 'a row for each unit');
    t.same(said, []);
    await checkLooks(t, page, 'explained');
    await page.close();
  });

  await t.test('with a number that a slider sets', async t => {
    const own = await browser.newContext();
    const { page } = await openSite(own);
    await reaches(page, 'ready');
    const range = page.getByRole('slider', { name: 'training.num_epochs' });
    t.equal(await range.inputValue(), '40', 'as in the config');
    await range.fill('3');
    await press(page, 'Train');
    await reaches(page, 'ended');
    t.same(await digestsOn(page), await digestsOfNode('--set', 'training.num_epochs=3'));
    await own.close();
  });

  await t.test('it is readable', async t => {
    const { page } = await openSite(context);
    await reaches(page, 'ended');
    await checkLooks(t, page, 'train');
    await page.close();
  });
});

t.test('sliders are for numbers of the config', async t => {
  const asked = (slider: string) =>
    work.cellrun('web', config, '--output', work.folder(), '--slider', slider);
  const bad: Readonly<Record<string, RegExp>> = {
    'training.num_epochs': /^--slider: "training.num_epochs" is not a range/,
    'training.num_epochs=5:1': /is not a range of a key/,
    'name=1:5': /^--slider: name is no number/,
    'training.num_epochs=0:5': /training.num_epochs/,
    'training.epochz=1:5': /unknown key `epochz` in `training`/,
  };
  for (const [slider, message] of Object.entries(bad))
    t.match(await asked(slider), { code: 2, stderr: message }, slider);
});
